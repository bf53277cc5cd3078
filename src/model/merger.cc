// SPDX-License-Identifier: Apache-2.0
#include "model/merger.h"

#include <algorithm>
#include <functional>

namespace cairn::model {
namespace {
// Scanning beats buckets below this; both give the same result (tokenizer_test.cc).
constexpr std::size_t kShort = 32;
// Scratch of longer words is not kept for the next one.
constexpr std::size_t kKept = 1 << 16;
}  // namespace

void Merger::Bucket::Push(std::int32_t position) {
  if (!heap_ && !positions_.empty() && position < positions_.back()) {
    std::ranges::make_heap(positions_, std::greater{});
    heap_ = true;
  }
  positions_.push_back(position);
  if (heap_) std::ranges::push_heap(positions_, std::greater{});
}

std::int32_t Merger::Bucket::Pop() {
  std::int32_t position = positions_.front();
  if (!heap_) {
    positions_.pop_front();
    return position;
  }
  std::ranges::pop_heap(positions_, std::greater{});
  position = positions_.back();
  positions_.pop_back();
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

std::int32_t Merger::Next(std::int32_t position) const {
  const std::int32_t next = position + symbols_[static_cast<std::size_t>(position)].length;
  return static_cast<std::size_t>(next) < symbols_.size() ? next : -1;
}

Merge Merger::MergeAt(std::int32_t position) const {
  const std::int32_t next = Next(position);
  if (next < 0) return {};
  return rules_.Find(symbols_[static_cast<std::size_t>(position)].token,
                     symbols_[static_cast<std::size_t>(next)].token);
}

void Merger::Consider(std::int32_t position) {
  const Merge merge = MergeAt(position);
  if (merge.token >= 0) buckets_[merge.priority].Push(position);
}

// Joins the span at `position` and the next into `token`.
void Merger::Join(std::int32_t position, std::int32_t token) {
  Symbol& first = symbols_[static_cast<std::size_t>(position)];
  Symbol& gone = symbols_[static_cast<std::size_t>(position + first.length)];
  first.token = token;
  first.length += gone.length;
  gone.token = -1;
  symbols_[static_cast<std::size_t>(position + first.length - 1)].length = first.length;
}

void Merger::Run(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& out) {
  if (symbols.size() <= kShort) return ScanShort(symbols, out);
  symbols_.resize(symbols.size());
  for (std::size_t i = 0; i < symbols.size(); ++i) symbols_[i] = {symbols[i], 1};
  for (std::size_t i = 0; i < symbols.size(); ++i) Consider(static_cast<std::int32_t>(i));
  while (!buckets_.empty()) {
    const auto best = buckets_.begin();
    if (best->second.empty()) {
      buckets_.erase(best);
      continue;
    }
    const std::int64_t priority = best->first;
    const std::int32_t position = best->second.Pop();
    if (symbols_[static_cast<std::size_t>(position)].token < 0) continue;  // merged away since
    const Merge merge = MergeAt(position);
    if (merge.token < 0 || merge.priority != priority) continue;  // another neighbour since
    Join(position, merge.token);
    Consider(position);
    if (position > 0) {
      Consider(position - symbols_[static_cast<std::size_t>(position - 1)].length);
    }
  }
  for (std::int32_t at = 0; at >= 0; at = Next(at)) {
    out.push_back(symbols_[static_cast<std::size_t>(at)].token);
  }
  if (symbols_.size() > kKept) std::vector<Symbol>().swap(symbols_);
}

}  // namespace cairn::model
