// SPDX-License-Identifier: Apache-2.0
// A compiled grammar: a pushdown automaton over bytes.
//
// Every rule is a nondeterministic automaton with edges for bytes, for nothing, and for calls of
// rules. A repetition with large counts is a counter: states that exist by arithmetic alone, so
// that {1,1000000} costs what {1,2} costs. What can never end is left out, so a state that can be
// reached can always go on to a complete text. Rules that call themselves before they read
// anything are rewritten where a rule does so directly; others are errors.
// Nothing here is deterministic yet: Configurations makes it so while it is used.
//
// Threads: immutable once compiled; share it by shared_ptr. Cost: linear in the expressions, about
// 40 bytes for each and each byte of a literal.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "grammar/expressions.h"

namespace cairn::grammar {

using StateId = std::uint32_t;

// Where so many calls are open inside one another, rules that can reach themselves are not called:
// what would go deeper is not part of the language.
inline constexpr std::uint32_t kMostOpenCalls = 500;

enum class EdgeKind : std::uint8_t { kByte, kEmpty, kCall };

struct Edge {
  StateId target = 0;
  RuleId rule = 0;  // kCall
  EdgeKind kind = EdgeKind::kEmpty;
  unsigned char first = 0, last = 0;  // kByte
};

class Grammar {
 public:
  // Errors: kLimit (too large: naming what), kUnsupported (left recursion through other rules),
  // kInvalidArgument (it matches no text at all).
  [[nodiscard]] static Result<std::shared_ptr<const Grammar>> Compile(
      const Expressions& expressions, RuleId root, std::uint32_t depth = kMostOpenCalls);

  StateId start() const { return rule_start_[root_]; }
  StateId StartOf(RuleId rule) const { return rule_start_[rule]; }
  // The rule may match the empty text; or nothing else than it.
  bool root_matches_empty() const { return root_matches_empty_; }
  // Calls that open without reading go to rules of a higher rank.
  std::uint32_t RankOf(RuleId rule) const { return rule_rank_[rule]; }
  bool IsRecursive(RuleId rule) const { return rule_recursive_[rule] != 0; }
  std::uint32_t most_depth() const { return most_depth_; }

  // The rule of a state may end here.
  bool MayEnd(StateId state) const;
  // It must: no edge leads on.
  bool MustEnd(StateId state) const;
  // Edges of a plain state. Requires !IsCounter(state).
  std::span<const Edge> EdgesOf(StateId state) const {
    return std::span(edges_).subspan(first_edge_[state],
                                     first_edge_[state + 1] - first_edge_[state]);
  }
  bool IsCounter(StateId state) const { return state >= states_; }
  // The one edge of a counter's state, if it may count on.
  struct Count {
    bool more = false;
    RuleId rule = 0;
    StateId target = 0;
  };
  Count CountOf(StateId state) const;
  // A state that cannot be told from `state` by texts of at most `bytes` bytes.
  StateId Alike(StateId state, std::uint32_t bytes) const;

  // Bytes that no edge tells apart are of one class.
  int classes() const { return static_cast<int>(class_byte_.size()); }
  int ClassOf(unsigned char byte) const { return byte_class_[byte]; }
  unsigned char ByteOf(int byte_class) const {
    return class_byte_[static_cast<std::size_t>(byte_class)];
  }

  std::size_t states() const { return states_; }
  // States below are those of Expressions::ShareFirstRules.
  std::size_t shared_states() const { return shared_states_; }
  std::size_t bytes() const;  // of memory

 private:
  friend class Compiler;
  Grammar() = default;

  struct Counter {
    StateId base = 0;
    RuleId rule = 0;
    std::uint32_t min = 0, max = 0;
    StateId last() const { return base + (max == kEndless ? min : max); }
  };
  const Counter& CounterOf(StateId state) const;

  RuleId root_ = 0;
  bool root_matches_empty_ = false;
  std::uint32_t most_depth_ = kMostOpenCalls;
  std::uint32_t states_ = 0;
  std::uint32_t shared_states_ = 0;
  std::vector<std::uint32_t> first_edge_;  // by state, and one more
  std::vector<Edge> edges_;
  std::vector<std::uint8_t> ends_;  // by state: kMay, kMust
  std::vector<Counter> counters_;   // by base
  std::vector<StateId> rule_start_;
  std::vector<std::uint32_t> rule_rank_;
  std::vector<std::uint8_t> rule_recursive_;
  std::array<std::uint8_t, 256> byte_class_{};
  std::vector<unsigned char> class_byte_;
};

}  // namespace cairn::grammar
