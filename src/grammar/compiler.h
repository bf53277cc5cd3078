// SPDX-License-Identifier: Apache-2.0
// From expressions to a Grammar. Private to src/grammar.
// Threads: one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "grammar/grammar.h"

namespace cairn::grammar {

class Compiler {
 public:
  Compiler(const Expressions& expressions, RuleId root, std::uint32_t depth)
      : source_(expressions), root_(root), depth_(depth) {}
  [[nodiscard]] Result<std::shared_ptr<const Grammar>> Run();

 private:
  struct Pending {  // an edge that is not sorted by its state yet
    StateId from = 0;
    Edge edge;
  };
  // A rule as it is built: the source's, or the repeated part of a counter.
  struct Body {
    ExpressionId expression = Expressions::kNever;
    bool counter = false;  // the automaton is a counter of `counter_rule`
    RuleId counter_rule = 0;
    std::uint32_t min = 0, max = 0;
  };

  // What every expression can match, to a fixed point over the rules.
  void FindFacts();
  bool Facts(ExpressionId id);
  // Automata.
  void BuildRule(RuleId rule);
  void Build(ExpressionId id, StateId from, StateId to);
  void BuildCharacters(const CodePoints& set, StateId from, StateId to);
  void BuildRepeat(const Expressions::Node& node, StateId from, StateId to);
  void BuildLeftRecursive(RuleId rule, StateId from, StateId to);
  bool BeginsWith(ExpressionId id, RuleId rule) const;
  RuleId CounterFor(ExpressionId part, std::uint32_t min, std::uint32_t max);
  void CallEdge(RuleId rule, bool nullable, StateId from, StateId to);
  StateId NewState();
  void Connect(StateId from, StateId to, EdgeKind kind, RuleId rule = 0, unsigned char first = 0,
               unsigned char last = 0);
  std::size_t SizeOf(ExpressionId id, std::size_t most) const;
  // The whole.
  void SortEdges();
  void FindEnds();
  [[nodiscard]] Result<void> RankRules();
  [[nodiscard]] Result<void> FindRecursion();
  void MakeClasses();
  std::vector<RuleId> FirstCalls(RuleId rule);

  const Expressions& source_;
  RuleId root_;
  std::uint32_t depth_;
  std::shared_ptr<Grammar> made_;
  std::vector<std::uint8_t> productive_, nullable_;  // by expression
  std::vector<std::uint8_t> rule_productive_, rule_nullable_;
  std::vector<Body> bodies_;       // by rule; those of counters come after the source's
  std::vector<StateId> rule_end_;  // by rule
  std::vector<Pending> pending_;
  std::vector<bool> seen_;  // by state: in FirstCalls
  std::uint64_t counter_states_ = 0;
  bool too_large_ = false;
};

}  // namespace cairn::grammar
