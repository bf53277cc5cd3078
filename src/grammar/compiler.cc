// SPDX-License-Identifier: Apache-2.0
#include "grammar/compiler.h"

#include <fmt/format.h>

#include <algorithm>

namespace cairn::grammar {
namespace {

constexpr std::uint64_t kMostCounterStates = std::uint64_t{1} << 31;

}  // namespace

Result<std::shared_ptr<const Grammar>> Compiler::Run() {
  if (source_.overflowed()) {
    return Fail(ErrorCode::kLimit,
                fmt::format("the grammar is too large: at most {} expressions inside one another, "
                            "{} in all, {} bytes of literals and counts of {} are taken",
                            kMostNesting, kMostExpressions, kMostLiteralBytes, kMostCount));
  }
  FindFacts();
  if (!rule_productive_[root_]) {
    return Fail(ErrorCode::kInvalidArgument, "the grammar matches no text at all");
  }
  made_ = std::shared_ptr<Grammar>(new Grammar());
  made_->root_ = root_;
  made_->most_depth_ = depth_;
  made_->root_matches_empty_ = rule_nullable_[root_] != 0;
  bodies_.reserve(source_.rules().size());
  for (const auto& rule : source_.rules()) bodies_.push_back({.expression = rule.body});
  for (RuleId rule = 0; rule < bodies_.size() && !too_large_; ++rule) {
    if (rule == source_.shared_rules()) made_->shared_states_ = made_->states_;
    BuildRule(rule);
  }
  if (too_large_ || counter_states_ > kMostCounterStates) {
    return Fail(ErrorCode::kLimit,
                "the grammar is too large: its counts or character classes "
                "make too many states");
  }
  SortEdges();
  FindEnds();
  OR_RETURN(RankRules());
  OR_RETURN(FindRecursion());
  MakeClasses();
  return made_;
}

// --- facts ------------------------------------------------------------------------------------

// Parts come before what they are part of, so one pass finds everything but what goes through
// calls; then those follow whose calls have changed, each after all that it waits for.
void Compiler::FindFacts() {
  productive_.assign(source_.size(), 0);
  nullable_.assign(source_.size(), 0);
  rule_productive_.assign(source_.rules().size(), 0);
  rule_nullable_.assign(source_.rules().size(), 0);
  std::vector<std::vector<ExpressionId>> parents(source_.size()), calls(source_.rules().size());
  std::vector<std::vector<RuleId>> bodies(source_.size());
  for (RuleId rule = 0; rule < source_.rules().size(); ++rule) {
    bodies[source_.rules()[rule].body].push_back(rule);
  }
  std::vector<ExpressionId> queue;
  std::vector<std::uint8_t> queued(source_.size(), 0);
  const auto push = [&](ExpressionId id) {
    if (queued[id] == 0) queue.push_back(id);
    queued[id] = 1;
  };
  const auto changed = [&](ExpressionId id) {
    for (const RuleId rule : bodies[id]) {
      rule_productive_[rule] = productive_[id];
      rule_nullable_[rule] = nullable_[id];
      for (const ExpressionId call : calls[rule]) push(call);
    }
  };
  for (ExpressionId id = 0; id < source_.size(); ++id) {
    const auto& node = source_.node(id);
    if (node.kind == ExpressionKind::kSequence || node.kind == ExpressionKind::kChoice) {
      for (const ExpressionId part : source_.PartsOf(node)) parents[part].push_back(id);
    } else if (node.kind == ExpressionKind::kRepeat) {
      parents[node.first].push_back(id);
    } else if (node.kind == ExpressionKind::kCall) {
      calls[node.first].push_back(id);
    }
  }
  for (ExpressionId id = 0; id < source_.size(); ++id) {
    if (Facts(id)) changed(id);
  }
  for (std::size_t at = 0; at < queue.size(); ++at) {
    const ExpressionId id = queue[at];
    queued[id] = 0;
    if (!Facts(id)) continue;
    changed(id);
    for (const ExpressionId parent : parents[id]) push(parent);
  }
}

// True where the facts of the expression have changed. They only ever become true.
bool Compiler::Facts(ExpressionId id) {
  const auto& node = source_.node(id);
  bool productive = false, nullable = false;
  const auto parts = [&] { return source_.PartsOf(node); };
  const auto is_productive = [&](ExpressionId part) { return productive_[part] != 0; };
  const auto is_nullable = [&](ExpressionId part) { return nullable_[part] != 0; };
  switch (node.kind) {
    case ExpressionKind::kNever: break;
    case ExpressionKind::kEmpty: productive = nullable = true; break;
    case ExpressionKind::kBytes:
    case ExpressionKind::kCharacters: productive = true; break;
    case ExpressionKind::kSequence:
      productive = std::ranges::all_of(parts(), is_productive);
      nullable = std::ranges::all_of(parts(), is_nullable);
      break;
    case ExpressionKind::kChoice:
      productive = std::ranges::any_of(parts(), is_productive);
      nullable = std::ranges::any_of(parts(), is_nullable);
      break;
    case ExpressionKind::kRepeat:
      productive = node.size == 0 || is_productive(node.first);
      nullable = node.size == 0 || is_nullable(node.first);
      break;
    case ExpressionKind::kCall:
      productive = rule_productive_[node.first] != 0;
      nullable = rule_nullable_[node.first] != 0;
      break;
  }
  const bool changed = productive != is_productive(id) || nullable != is_nullable(id);
  productive_[id] = productive;
  nullable_[id] = nullable;
  return changed;
}

}  // namespace cairn::grammar
