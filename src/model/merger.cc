// SPDX-License-Identifier: Apache-2.0
#include "model/merger.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace cairn::model {
namespace {
// Scanning beats buckets below this; both give the same result (tokenizer_test.cc).
constexpr std::size_t kShort = 32;
}  // namespace

void Merger::Bucket::Push(std::int32_t position) {
  if (!heap && head < positions.size() && position < positions.back()) {
    positions.erase(positions.begin(), positions.begin() + static_cast<std::ptrdiff_t>(head));
    std::ranges::make_heap(positions, std::greater{});
    heap = true;
  }
  positions.push_back(position);
  if (heap) std::ranges::push_heap(positions, std::greater{});
}

std::int32_t Merger::Bucket::Pop() {
  if (!heap) return positions[head++];
  std::ranges::pop_heap(positions, std::greater{});
  const std::int32_t position = positions.back();
  positions.pop_back();
  return position;
}

void Merger::ScanShort(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& out) {
  std::int32_t tokens[kShort];
  Merge merges[kShort];
  std::size_t n = symbols.size();
  std::ranges::copy(symbols, tokens);
  for (std::size_t i = 0; i + 1 < n; ++i) merges[i] = rules_.Find(tokens[i], tokens[i + 1]);
  while (n > 1) {
    std::size_t best = n;
    for (std::size_t i = 0; i + 1 < n; ++i) {
      if (merges[i].token >= 0 && (best == n || merges[i].priority < merges[best].priority)) {
        best = i;
      }
    }
    if (best == n) break;
    tokens[best] = merges[best].token;
    std::copy(tokens + best + 2, tokens + n, tokens + best + 1);
    std::copy(merges + best + 2, merges + n, merges + best + 1);
    --n;
    if (best + 1 < n) merges[best] = rules_.Find(tokens[best], tokens[best + 1]);
    if (best > 0) merges[best - 1] = rules_.Find(tokens[best - 1], tokens[best]);
  }
  out.insert(out.end(), tokens, tokens + n);
}

// Notes what the node and its next become.
void Merger::Consider(std::int32_t position) {
  Node& node = nodes_[static_cast<std::size_t>(position)];
  node.merged = -1;
  if (node.next < 0) return;
  const Merge merge = rules_.Find(node.token, nodes_[static_cast<std::size_t>(node.next)].token);
  if (merge.token < 0) return;
  node.merged = merge.token;
  node.priority = merge.priority;
  buckets_[merge.priority].Push(position);
}

void Merger::Run(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& out) {
  if (symbols.size() <= kShort) return ScanShort(symbols, out);
  const auto n = static_cast<std::int32_t>(symbols.size());
  nodes_.resize(symbols.size());
  for (std::int32_t i = 0; i < n; ++i) {
    nodes_[static_cast<std::size_t>(i)] = {symbols[static_cast<std::size_t>(i)], i - 1,
                                           i + 1 < n ? i + 1 : -1, -1, 0};
  }
  for (std::int32_t i = 0; i < n; ++i) Consider(i);
  while (!buckets_.empty()) {
    const auto first = buckets_.begin();
    if (first->second.empty()) {
      buckets_.erase(first);
      continue;
    }
    const std::int64_t priority = first->first;
    const std::int32_t position = first->second.Pop();
    Node& node = nodes_[static_cast<std::size_t>(position)];
    // Stale: merged away, or its neighbour changed since.
    if (node.token < 0 || node.merged < 0 || node.priority != priority) continue;
    node.token = node.merged;
    Node& gone = nodes_[static_cast<std::size_t>(node.next)];
    gone.token = -1;
    node.next = gone.next;
    if (gone.next >= 0) nodes_[static_cast<std::size_t>(gone.next)].previous = position;
    Consider(position);
    if (node.previous >= 0) Consider(node.previous);
  }
  for (std::int32_t i = 0; i >= 0; i = nodes_[static_cast<std::size_t>(i)].next) {
    out.push_back(nodes_[static_cast<std::size_t>(i)].token);
  }
}

}  // namespace cairn::model
