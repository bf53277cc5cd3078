// SPDX-License-Identifier: Apache-2.0
#include "grammar/free_text.h"

#include <algorithm>
#include <unordered_set>

namespace cairn::grammar {
namespace {

constexpr std::size_t kMostPlaces = 1'000;  // looked at for one node
// From so many characters on, fewer kinds for longer texts are not worth it: few tokens are longer.
constexpr std::uint32_t kEnoughCharacters = 8;
constexpr std::uint32_t kMostAhead = 254;  // TokenKinds counts no further
// Other kinds have few tokens: to walk through those is less than to look ahead.
constexpr KindSet kOfManyTokens = kLowerCase | kUpperCase | kNotAscii;

}  // namespace

FreeTexts::FreeTexts(Configurations& places, std::function<NodeId(NodeId)> alike)
    : places_(places),
      alike_(std::move(alike)),
      not_ascii_(Utf8Of(CodePoints{{0x80, kLastCodePoint}})) {}

void FreeTexts::Follow(NodeId node, KindSet kind, Ways& ways) {
  const auto found = std::ranges::find(ways.next, node, &std::pair<NodeId, KindSet>::first);
  if (found != ways.next.end()) {
    found->second |= kind;
  } else {
    ways.next.emplace_back(node, kind);
  }
}

void FreeTexts::FollowNotAscii(NodeId node, Ways& ways) {
  bool dead = false;
  std::vector<NodeId> ends;
  for (const ByteSequence& sequence : not_ascii_) {
    std::vector<NodeId> at{node};
    for (int i = 0; i < sequence.size; ++i) {
      std::vector<NodeId> behind;
      for (const NodeId place : at) {
        int last_class = -1;
        for (int byte = sequence.ranges[i].first; byte <= sequence.ranges[i].last; ++byte) {
          const int byte_class = places_.grammar().ClassOf(static_cast<unsigned char>(byte));
          if (std::exchange(last_class, byte_class) == byte_class) continue;
          const NodeId next = places_.Step(place, byte_class);
          dead = dead || next == Configurations::kDead;
          if (next != Configurations::kDead && std::ranges::count(behind, next) == 0) {
            behind.push_back(next);
          }
        }
      }
      at = std::move(behind);
    }
    ends.insert(ends.end(), at.begin(), at.end());
  }
  if (!ends.empty()) ways.some |= kNotAscii;
  if (dead) return;
  ways.all |= kNotAscii;
  for (const NodeId end : ends) Follow(alike_(end), kNotAscii, ways);
}

const FreeTexts::Ways& FreeTexts::WaysOf(NodeId node) {
  if (const auto found = ways_.find(node); found != ways_.end()) return found->second;
  Ways ways;
  KindSet dead = 0;
  for (unsigned char c = 0; c < 0x80; ++c) {
    (places_.StepByte(node, c) == Configurations::kDead ? dead : ways.some) |= KindOf(c);
  }
  ways.all = ways.some & ~dead;
  for (unsigned char c = 0; c < 0x80; ++c) {
    if ((KindOf(c) & ways.all) != 0) Follow(alike_(places_.StepByte(node, c)), KindOf(c), ways);
  }
  FollowNotAscii(node, ways);
  return ways_.emplace(node, std::move(ways)).first->second;
}

FreeText FreeTexts::At(NodeId node, std::uint32_t characters) {
  characters = std::min(characters, kMostAhead);
  FreeText free{.kinds = ~KindSet{0}};
  std::vector<NodeId> front{node};
  std::unordered_set<NodeId> seen{node};
  bool again = false;  // a longer text leads to where a shorter one has been
  // Behind every text of free.kinds with free.characters stands a node of `front`, or one that was
  // there before.
  for (; free.characters < characters; ++free.characters) {
    KindSet all = free.kinds, some = 0;
    for (const NodeId place : front) {
      const Ways& ways = WaysOf(place);
      all &= ways.all;
      some |= ways.some;
    }
    if ((all & kOfManyTokens) == 0) all = 0;
    if (all != free.kinds && (all == 0 || free.characters >= kEnoughCharacters)) {
      free.only = !again && (some & free.kinds) == 0;
      break;
    }
    free.kinds = all;
    const KindSet most = all & kOfManyTokens;
    std::vector<NodeId> behind;
    for (const NodeId place : front) {
      const auto next_of = WaysOf(place).next;  // a copy: others are looked at meanwhile
      for (const auto& [next, kinds] : next_of) {
        if ((kinds & free.kinds) == 0 || std::ranges::count(behind, next) > 0) continue;
        if (seen.contains(next)) {
          again = true;
        } else if ((kinds & most) == 0 && (WaysOf(next).all & most) != most) {
          free.kinds &= ~kinds;  // a beginning of something else, as \ is
        } else {
          seen.insert(next);
          behind.push_back(next);
        }
      }
    }
    front = std::move(behind);
    if (front.empty()) return {.kinds = free.kinds, .characters = kEndless};
    if (seen.size() > kMostPlaces) {
      ++free.characters;
      break;
    }
  }
  return free.characters > 0 ? free : FreeText{};
}

}  // namespace cairn::grammar
