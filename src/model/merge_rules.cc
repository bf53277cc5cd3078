// SPDX-License-Identifier: Apache-2.0
#include "model/merge_rules.h"

#include <fmt/format.h>

#include <bit>
#include <limits>

namespace cairn::model {
namespace {

// 4 K pairs, 100 KB: pairs of prose repeat, and hashing their joined text is most of the work.
constexpr std::size_t kSeen = 1 << 12;

std::size_t HashPair(std::int32_t left, std::int32_t right, std::uint64_t seed) {
  std::uint64_t key = static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
                      static_cast<std::uint32_t>(right);
  key = (key ^ seed) * 0x9e3779b97f4a7c15u;
  key = (key ^ key >> 32) * (seed | 1);
  return static_cast<std::size_t>(key ^ key >> 29);
}

}  // namespace

RankedRules::RankedRules(std::size_t merges, std::uint64_t seed)
    : seed_(seed), slots_(std::bit_ceil(merges * 3 / 2 + 1)) {}

std::size_t RankedRules::SlotOf(std::int32_t left, std::int32_t right) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = HashPair(left, right, seed_) & mask;
  while (slots_[at].token >= 0 && (slots_[at].left != left || slots_[at].right != right)) {
    at = (at + 1) & mask;
  }
  return at;
}

Result<RankedRules> RankedRules::Create(const Vocabulary& v, const TokenTable& table) {
  RankedRules rules(v.merges.size(), table.seed());
  std::string joined;
  for (std::size_t rank = 0; rank < v.merges.size(); ++rank) {
    const std::string_view merge = v.merges[rank];
    const std::size_t space = merge.find(' ', 1);
    std::int32_t left = -1, right = -1, token = -1;
    if (space != std::string_view::npos) {
      left = table.Find(merge.substr(0, space));
      right = table.Find(merge.substr(space + 1));
      joined.assign(merge.substr(0, space)).append(merge.substr(space + 1));
      token = table.Find(joined);
    }
    if (left < 0 || right < 0 || token < 0) {
      return Fail(
          ErrorCode::kCorrupt,
          fmt::format("'tokenizer.ggml.merges' entry {} is not two tokens of the vocabulary "
                      "that join to a third",
                      rank));
    }
    Slot& slot = rules.slots_[rules.SlotOf(left, right)];
    if (slot.token < 0) slot = {left, right, static_cast<std::int32_t>(rank), token};
  }
  return rules;
}

Merge RankedRules::Find(std::int32_t left, std::int32_t right) const {
  const Slot& slot = slots_[SlotOf(left, right)];
  return {slot.rank, slot.token};
}

ScoredRules::ScoredRules(const Vocabulary& v, const TokenTable& table, std::size_t longest)
    : v_(v), table_(table), longest_(longest), seen_(kSeen) {}

std::int32_t ScoredRules::Symbol(std::string_view character) {
  const std::int32_t id = table_.Find(character);
  if (id >= 0) return id;
  unknown_.push_back(character);
  return static_cast<std::int32_t>(v_.tokens.size() + unknown_.size() - 1);
}

std::string_view ScoredRules::TextOf(std::int32_t id) const {
  const auto index = static_cast<std::size_t>(id);
  return index < v_.tokens.size() ? v_.tokens[index] : unknown_[index - v_.tokens.size()];
}

Merge ScoredRules::Find(std::int32_t left, std::int32_t right) const {
  const auto known = static_cast<std::int32_t>(v_.tokens.size());
  if (left >= known || right >= known) {
    // Such ids mean another character in the next word: nothing to remember. Unused tokens made of
    // characters without a token stay whole, for the same reason.
    return LookUp(left, right);
  }
  Seen& seen = seen_[HashPair(left, right, table_.seed()) & (kSeen - 1)];
  if (seen.left != left || seen.right != right) seen = {left, right, LookUp(left, right)};
  if (Unused(seen.merge.token)) parts_[seen.merge.token] = {left, right};
  return seen.merge;
}

Merge ScoredRules::LookUp(std::int32_t left, std::int32_t right) const {
  const std::string_view a = TextOf(left), b = TextOf(right);
  if (a.size() + b.size() > longest_) return {};
  joined_.assign(a).append(b);
  const std::int32_t token = table_.Find(joined_);
  if (token < 0) return {};
  // The order of floats as integers, reversed.
  const auto bits = std::bit_cast<std::int32_t>(v_.scores[static_cast<std::size_t>(token)]);
  const std::int64_t order =
      bits >= 0 ? bits : std::numeric_limits<std::int32_t>::min() - static_cast<std::int64_t>(bits);
  return {-order, token};
}

}  // namespace cairn::model
