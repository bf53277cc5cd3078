// SPDX-License-Identifier: Apache-2.0
#include "grammar/configurations.h"

#include <algorithm>
#include <map>

namespace cairn::grammar {
namespace {

constexpr std::size_t kMostItems = 20'000;  // pairs of a node
// Open calls: more than a grammar that may be compiled can have. Join calls itself as deep.
constexpr std::uint32_t kMostDepth = 3'000;
constexpr std::size_t kMostWork = 30'000'000;  // pairs and edges looked at for one mask
constexpr std::size_t kOpenKept = 16 << 20;    // bytes of edges that are remembered

std::uint64_t HashOf(std::span<const Item> items) {
  std::uint64_t h = 0x9E3779B97F4A7C15u;
  for (const Item& item : items) {
    h ^= item.state | static_cast<std::uint64_t>(item.after) << 32;
    h *= 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
  }
  return h;
}

}  // namespace

Configurations::Configurations(const Grammar& grammar)
    : grammar_(grammar), slots_(1024, 0), rows_(1, kUnknown), seen_(grammar.states(), 0) {
  nodes_.push_back({});  // kDead, and no slot's
  rows_of_.push_back(0);
  const Item outside[] = {{kOutsideState, 0}}, accepted[] = {{kAcceptedState, 0}};
  Find(outside);
  Find(accepted);
}

NodeId Configurations::start() {
  if (start_ == kDead) {
    std::vector<Item> items{{grammar_.start(), kAccepted}};
    if (grammar_.root_matches_empty()) items.push_back({kAcceptedState, 0});
    start_ = Intern(items);
  }
  return start_;
}

bool Configurations::Work(std::size_t amount) {
  work_ += amount;
  if (work_ > kMostWork) exhausted_ = true;
  return !exhausted_;
}

bool Configurations::Has(NodeId node, StateId state) const {
  // The special states are the largest, so they stand at the end.
  const auto items = ItemsOf(node);
  for (std::size_t i = items.size(); i > 0 && items[i - 1].state >= kAcceptedState; --i) {
    if (items[i - 1].state == state) return true;
  }
  return false;
}

NodeId Configurations::Find(std::span<const Item> items) {
  if (items.empty()) return kDead;
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = HashOf(items) & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    if (std::ranges::equal(ItemsOf(slots_[slot]), items)) return slots_[slot];
  }
  Node node{.first = static_cast<std::uint32_t>(items_.size()),
            .size = static_cast<std::uint32_t>(items.size())};
  for (const Item& item : items) node.depth = std::max(node.depth, nodes_[item.after].depth + 1);
  const auto id = static_cast<NodeId>(nodes_.size());
  items_.insert(items_.end(), items.begin(), items.end());
  nodes_.push_back(node);
  rows_of_.push_back(0);
  slots_[slot] = id;
  if (nodes_.size() * 2 > slots_.size()) {
    std::vector<std::uint32_t> larger(slots_.size() * 2, 0);
    for (NodeId n = 1; n < nodes_.size(); ++n) {
      std::size_t at = HashOf(ItemsOf(n)) & (larger.size() - 1);
      while (larger[at] != 0) at = (at + 1) & (larger.size() - 1);
      larger[at] = n;
    }
    slots_ = std::move(larger);
  }
  return id;
}

NodeId Configurations::Join(NodeId a, NodeId b) {
  if (a == b) return a;
  if (a > b) std::swap(a, b);
  if (a == kDead) return b;
  const std::uint64_t key = static_cast<std::uint64_t>(a) << 32 | b;
  if (const auto found = joined_.find(key); found != joined_.end()) return found->second;
  std::vector<Item> items(ItemsOf(a).begin(), ItemsOf(a).end());
  items.insert(items.end(), ItemsOf(b).begin(), ItemsOf(b).end());
  const NodeId id = Intern(items);
  joined_.emplace(key, id);
  return id;
}

NodeId Configurations::Intern(std::vector<Item>& items) {
  std::ranges::sort(items);
  const auto doubles = std::ranges::unique(items);
  items.erase(doubles.begin(), doubles.end());
  if (!Work(items.size()) || items.size() > kMostItems) {
    exhausted_ = true;
    return kDead;
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (kept > 0 && items[kept - 1].state == items[i].state) {
      items[kept - 1].after = Join(items[kept - 1].after, items[i].after);
    } else {
      items[kept++] = items[i];
    }
  }
  items.resize(kept);
  return Find(items);
}

NodeId Configurations::Kernel(std::span<const Item> given) {
  std::vector<Item> items, work(given.begin(), given.end());
  node_seen_.resize(nodes_.size(), 0);
  ++node_mark_;
  while (!work.empty() && !exhausted_) {
    const Item item = work.back();
    work.pop_back();
    if (item.state >= kAcceptedState) {
      items.push_back(item);
      continue;
    }
    // A state without a way on is what comes after it, and nothing else.
    if (!grammar_.MustEnd(item.state)) items.push_back(item);
    if (!grammar_.MayEnd(item.state) || node_seen_[item.after] == node_mark_) continue;
    node_seen_[item.after] = node_mark_;
    const auto next = ItemsOf(item.after);
    if (!Work(next.size())) break;
    work.insert(work.end(), next.begin(), next.end());
  }
  return Intern(items);
}

NodeId Configurations::After(NodeId after) {
  if (const auto found = after_.find(after); found != after_.end()) return found->second;
  const std::vector<Item> items(ItemsOf(after).begin(), ItemsOf(after).end());
  const NodeId kernel = Kernel(items);
  after_.emplace(after, kernel);
  return kernel;
}

// Bytes that may come next, through all calls that open here.
std::span<const Configurations::OpenEdge> Configurations::Open(NodeId node) {
  if (const auto found = open_.find(node); found != open_.end()) return found->second;
  struct Call {
    RuleId rule;
    Item item;
  };
  // By rank: a rule is entered when all that call it here are known.
  std::map<std::pair<std::uint32_t, RuleId>, std::vector<Item>> calls;
  std::vector<OpenEdge> edges;
  std::vector<StateId> work;
  const auto follow = [&](StateId first, NodeId after) {
    if (grammar_.IsCounter(first)) {
      const auto count = grammar_.CountOf(first);
      if (!count.more) return;
      calls[{grammar_.RankOf(count.rule), count.rule}].push_back({count.target, after});
      return;
    }
    ++mark_;
    work.assign(1, first);
    seen_[first] = mark_;
    while (!work.empty()) {
      const StateId state = work.back();
      work.pop_back();
      for (const Edge& edge : grammar_.EdgesOf(state)) {
        if (edge.kind == EdgeKind::kByte) {
          edges.push_back({edge.target, after, edge.first, edge.last});
        } else if (edge.kind == EdgeKind::kCall) {
          calls[{grammar_.RankOf(edge.rule), edge.rule}].push_back({edge.target, after});
        } else if (seen_[edge.target] != mark_) {
          seen_[edge.target] = mark_;
          work.push_back(edge.target);
        }
      }
      if (!Work(grammar_.EdgesOf(state).size() + 1)) return;
    }
  };
  const std::vector<Item> own(ItemsOf(node).begin(), ItemsOf(node).end());
  for (const Item& item : own) {
    if (item.state < kAcceptedState && !exhausted_) follow(item.state, item.after);
  }
  while (!calls.empty() && !exhausted_) {
    const RuleId rule = calls.begin()->first.second;
    const std::vector<Item> frames = std::move(calls.begin()->second);
    calls.erase(calls.begin());
    // What is called last has nothing of its own behind it.
    std::vector<Item> items;
    for (const Item& frame : frames) {
      if (grammar_.MustEnd(frame.state)) {
        const auto behind = ItemsOf(frame.after);
        items.insert(items.end(), behind.begin(), behind.end());
      } else {
        items.push_back(frame);
      }
    }
    const NodeId after = Intern(items);
    if (exhausted_) break;
    const std::uint32_t most = grammar_.IsRecursive(rule) ? grammar_.most_depth() : kMostDepth;
    if (nodes_[after].depth <= most) follow(grammar_.StartOf(rule), after);
  }
  if (open_bytes_ > kOpenKept) {
    open_.clear();
    open_bytes_ = 0;
  }
  open_bytes_ += edges.size() * sizeof(OpenEdge) + 64;
  return open_.emplace(node, std::move(edges)).first->second;
}

NodeId Configurations::StepAnew(NodeId node, int byte_class) {
  if (node == kDead || exhausted_) return kDead;
  const unsigned char byte = grammar_.ByteOf(byte_class);
  std::vector<Item> items;
  const auto open = Open(node);
  if (exhausted_ || !Work(open.size())) return kDead;
  // Bytes that no edge here tells from this one lead to the same place.
  int first = 0, last = 255;
  for (const OpenEdge& edge : open) {
    if (byte < edge.first) {
      last = std::min(last, edge.first - 1);
    } else if (byte > edge.last) {
      first = std::max(first, edge.last + 1);
    } else {
      first = std::max<int>(first, edge.first);
      last = std::min<int>(last, edge.last);
      items.push_back({edge.target, edge.after});
    }
  }
  const NodeId next = Kernel(items);
  if (exhausted_) return kDead;
  if (rows_of_[node] == 0) {
    rows_of_[node] = static_cast<std::uint32_t>(rows_.size());
    rows_.resize(rows_.size() + static_cast<std::size_t>(grammar_.classes()), kUnknown);
  }
  for (int like = 0; like < grammar_.classes(); ++like) {
    if (first <= grammar_.ByteOf(like) && grammar_.ByteOf(like) <= last) {
      rows_[rows_of_[node] + static_cast<std::uint32_t>(like)] = next;
    }
  }
  return next;
}

std::optional<unsigned char> Configurations::OnlyByte(NodeId node) {
  if (node == kDead || Accepts(node)) return std::nullopt;
  std::optional<unsigned char> only;
  for (const OpenEdge& edge : Open(node)) {
    if (edge.first != edge.last || (only && *only != edge.first)) return std::nullopt;
    only = edge.first;
  }
  return exhausted_ ? std::nullopt : only;
}

ByteSet Configurations::FirstBytes(NodeId node) {
  ByteSet bytes{};
  for (const OpenEdge& edge : Open(node)) {
    for (unsigned byte = edge.first; byte <= edge.last; ++byte) {
      bytes[byte / 64] |= std::uint64_t{1} << (byte % 64);
    }
  }
  return bytes;
}

// Nodes refer to smaller numbers only where those were made before, so an order by need is found
// with a stack.
NodeId Configurations::CopyTo(NodeId node, Configurations& to) const {
  std::unordered_map<NodeId, NodeId> copies{
      {kDead, kDead}, {kOutside, kOutside}, {kAccepted, kAccepted}};
  std::vector<NodeId> work{node};
  while (!work.empty()) {
    const NodeId at = work.back();
    if (copies.contains(at)) {
      work.pop_back();
      continue;
    }
    bool ready = true;
    for (const Item& item : ItemsOf(at)) {
      if (copies.contains(item.after)) continue;
      work.push_back(item.after);
      ready = false;
    }
    if (!ready) continue;
    std::vector<Item> items;
    for (const Item& item : ItemsOf(at)) items.push_back({item.state, copies[item.after]});
    std::ranges::sort(items);
    const NodeId copy = to.Find(items);
    copies.emplace(at, copy);
    work.pop_back();
  }
  return copies[node];
}

std::size_t Configurations::bytes() const {
  return items_.capacity() * sizeof(Item) + nodes_.capacity() * (sizeof(Node) + 4) +
         slots_.capacity() * 4 + rows_.capacity() * 4 + joined_.size() * 40 + after_.size() * 32 +
         open_bytes_ + seen_.size() * 4;
}

}  // namespace cairn::grammar
