// SPDX-License-Identifier: Apache-2.0
#include "grammar/grammar.h"

#include <algorithm>

#include "grammar/compiler.h"

namespace cairn::grammar {

Result<std::shared_ptr<const Grammar>> Grammar::Compile(const Expressions& expressions, RuleId root,
                                                        std::uint32_t depth) {
  return Compiler(expressions, root, depth).Run();
}

const Grammar::Counter& Grammar::CounterOf(StateId state) const {
  const auto after = std::ranges::upper_bound(counters_, state, {}, &Counter::base);
  return *std::prev(after);
}

bool Grammar::MayEnd(StateId state) const {
  if (!IsCounter(state)) return ends_[state] != 0;
  const Counter& counter = CounterOf(state);
  return state - counter.base >= counter.min;
}

bool Grammar::MustEnd(StateId state) const {
  if (!IsCounter(state)) return ends_[state] == 2;
  const Counter& counter = CounterOf(state);
  return counter.max != kEndless && state == counter.last();
}

Grammar::Count Grammar::CountOf(StateId state) const {
  const Counter& counter = CounterOf(state);
  if (counter.max != kEndless && state == counter.last()) return {};
  return {.more = true, .rule = counter.rule, .target = std::min(state + 1, counter.last())};
}

// Each turn reads at least a byte, so counts that are farther than `bytes` from where something
// changes are alike. Below the least count, the largest one is at least as far.
StateId Grammar::Alike(StateId state, std::uint32_t bytes) const {
  if (!IsCounter(state)) return state;
  const Counter& counter = CounterOf(state);
  const std::uint32_t count = state - counter.base;
  if (count < counter.min) {
    const std::uint32_t missing = counter.min - count;
    return missing > bytes + 1 ? counter.base + counter.min - (bytes + 1) : state;
  }
  if (counter.max == kEndless || counter.max - count <= bytes) return state;
  return counter.base + counter.min;
}

std::size_t Grammar::bytes() const {
  return sizeof(*this) + first_edge_.size() * 4 + edges_.size() * sizeof(Edge) + ends_.size() +
         counters_.size() * sizeof(Counter) + rule_start_.size() * 9;
}

}  // namespace cairn::grammar
