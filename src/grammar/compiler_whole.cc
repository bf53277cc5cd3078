// SPDX-License-Identifier: Apache-2.0
// What is known of the automata together: ends, ranks, circles of calls, classes of bytes.
#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"
#include "grammar/compiler.h"

namespace cairn::grammar {
namespace {

constexpr std::uint32_t kMostCallDepth = 2'000;

}  // namespace

void Compiler::SortEdges() {
  Grammar& g = *made_;
  StateId base = g.states_;
  for (RuleId rule = 0; rule < bodies_.size(); ++rule) {
    const Body& body = bodies_[rule];
    if (!body.counter) continue;
    g.rule_start_[rule] = base;
    g.counters_.push_back(
        {.base = base, .rule = body.counter_rule, .min = body.min, .max = body.max});
    base += (body.max == kEndless ? body.min : body.max) + 1;
  }
  g.first_edge_.assign(g.states_ + 1, 0);
  for (const Pending& p : pending_) ++g.first_edge_[p.from + 1];
  for (StateId s = 0; s < g.states_; ++s) g.first_edge_[s + 1] += g.first_edge_[s];
  g.edges_.resize(pending_.size());
  std::vector<std::uint32_t> place(g.first_edge_.begin(), g.first_edge_.end() - 1);
  for (const Pending& p : pending_) g.edges_[place[p.from]++] = p.edge;
  pending_ = {};
}

// Backwards from the ends of rules over edges that read nothing.
void Compiler::FindEnds() {
  Grammar& g = *made_;
  std::vector<std::uint32_t> first(g.states_ + 1, 0);
  for (const Edge& edge : g.edges_) {
    if (edge.kind == EdgeKind::kEmpty) ++first[edge.target + 1];
  }
  for (StateId s = 0; s < g.states_; ++s) first[s + 1] += first[s];
  std::vector<StateId> sources(first.back());
  std::vector<std::uint32_t> place(first.begin(), first.end() - 1);
  for (StateId s = 0; s < g.states_; ++s) {
    for (const Edge& edge : g.EdgesOf(s)) {
      if (edge.kind == EdgeKind::kEmpty) sources[place[edge.target]++] = s;
    }
  }
  g.ends_.assign(g.states_, 0);
  std::vector<StateId> work;
  for (RuleId rule = 0; rule < bodies_.size(); ++rule) {
    if (!bodies_[rule].counter) work.push_back(rule_end_[rule]);
  }
  for (const StateId s : work) g.ends_[s] = 1;
  while (!work.empty()) {
    const StateId s = work.back();
    work.pop_back();
    for (std::uint32_t i = first[s]; i < first[s + 1]; ++i) {
      if (g.ends_[sources[i]] != 0) continue;
      g.ends_[sources[i]] = 1;
      work.push_back(sources[i]);
    }
  }
  // A rule's end has no edges; so has every state from which only it can be reached.
  for (RuleId rule = 0; rule < bodies_.size(); ++rule) {
    if (!bodies_[rule].counter) g.ends_[rule_end_[rule]] = 2;
  }
  for (StateId s = 0; s < g.states_; ++s) {
    StateId at = s;
    for (int hops = 0; hops < 8 && g.ends_[at] == 1 && g.EdgesOf(at).size() == 1 &&
                       g.EdgesOf(at)[0].kind == EdgeKind::kEmpty && g.EdgesOf(at)[0].target != at;
         ++hops) {
      at = g.EdgesOf(at)[0].target;
    }
    if (g.ends_[at] == 2) g.ends_[s] = 2;
  }
}

// Rules that are called before the rule has read anything.
std::vector<RuleId> Compiler::FirstCalls(RuleId rule) {
  const Grammar& g = *made_;
  if (bodies_[rule].counter) return {bodies_[rule].counter_rule};
  std::vector<RuleId> calls;
  std::vector<StateId> work{g.rule_start_[rule]};
  seen_[work[0]] = true;  // no state belongs to two rules
  while (!work.empty()) {
    const StateId s = work.back();
    work.pop_back();
    for (const Edge& edge : g.EdgesOf(s)) {
      if (edge.kind == EdgeKind::kCall) calls.push_back(edge.rule);
      if (edge.kind != EdgeKind::kEmpty || seen_[edge.target]) continue;
      seen_[edge.target] = true;
      work.push_back(edge.target);
    }
  }
  std::ranges::sort(calls);
  const auto doubles = std::ranges::unique(calls);
  calls.erase(doubles.begin(), doubles.end());
  return calls;
}

// Depth first, without recursion: a rule's rank is above those of all who call it first.
Result<void> Compiler::RankRules() {
  struct Open {
    RuleId rule;
    std::vector<RuleId> calls;
    std::size_t next = 0;
  };
  enum : std::uint8_t { kNew, kOpen, kDone };
  Grammar& g = *made_;
  std::vector<std::uint8_t> state(bodies_.size(), kNew);
  seen_.assign(g.states_, false);
  g.rule_rank_.assign(bodies_.size(), 0);
  auto rank = static_cast<std::uint32_t>(bodies_.size());
  for (RuleId first = 0; first < bodies_.size(); ++first) {
    if (state[first] != kNew) continue;
    std::vector<Open> open;
    open.push_back({.rule = first, .calls = FirstCalls(first)});
    state[first] = kOpen;
    while (!open.empty()) {
      Open& top = open.back();
      if (top.next == top.calls.size()) {
        state[top.rule] = kDone;
        g.rule_rank_[top.rule] = --rank;
        open.pop_back();
        continue;
      }
      const RuleId called = top.calls[top.next++];
      if (state[called] == kOpen) {
        const bool named = called < source_.rules().size();
        return Fail(ErrorCode::kUnsupported,
                    fmt::format("rule {} calls itself, through other rules, before it reads "
                                "anything (left recursion); write the repetition with *",
                                named ? Printable(source_.rules()[called].name) : "of a group"));
      }
      if (state[called] == kDone) continue;
      state[called] = kOpen;
      open.push_back({.rule = called, .calls = FirstCalls(called)});
    }
  }
  return {};
}

// Rules in a cycle of calls: strongly connected components (Tarjan), without recursion. They end in
// the order of their calls, so how deep calls go without a cycle is known on the way.
Result<void> Compiler::FindRecursion() {
  Grammar& g = *made_;
  const std::size_t n = bodies_.size();
  std::vector<std::vector<RuleId>> calls(n);
  // States of a rule lie between its start and the next plain rule's.
  std::vector<std::pair<StateId, RuleId>> starts;
  for (RuleId r = 0; r < n; ++r) {
    if (bodies_[r].counter) {
      calls[r].push_back(bodies_[r].counter_rule);
    } else {
      starts.emplace_back(g.rule_start_[r], r);
    }
  }
  std::size_t at = 0;
  for (StateId s = 0; s < g.states_; ++s) {
    while (at + 1 < starts.size() && starts[at + 1].first <= s) ++at;
    for (const Edge& edge : g.EdgesOf(s)) {
      if (edge.kind == EdgeKind::kCall) calls[starts[at].second].push_back(edge.rule);
    }
  }
  g.rule_recursive_.assign(n, 0);
  std::vector<std::uint32_t> index(n, 0), low(n, 0), next(n, 0), depth(n, 0);
  std::vector<std::uint8_t> on_stack(n, 0);
  std::vector<RuleId> stack, path;
  std::uint32_t counter = 0;
  for (RuleId root = 0; root < n; ++root) {
    if (index[root] != 0) continue;
    path.push_back(root);
    while (!path.empty()) {
      const RuleId r = path.back();
      if (index[r] == 0) {
        index[r] = low[r] = ++counter;
        stack.push_back(r);
        on_stack[r] = 1;
      }
      if (next[r] < calls[r].size()) {
        const RuleId c = calls[r][next[r]++];
        if (c == r) g.rule_recursive_[r] = 1;
        if (index[c] == 0) {
          path.push_back(c);
        } else if (on_stack[c] != 0) {
          low[r] = std::min(low[r], index[c]);
        }
        continue;
      }
      path.pop_back();
      if (!path.empty()) low[path.back()] = std::min(low[path.back()], low[r]);
      if (low[r] != index[r]) continue;
      const bool alone = stack.back() == r;
      std::uint32_t deepest = 0;
      for (auto m = stack.rbegin();; ++m) {
        for (const RuleId c : calls[*m]) deepest = std::max(deepest, depth[c]);
        if (*m == r) break;
      }
      if (deepest >= kMostCallDepth) {
        return Fail(ErrorCode::kLimit,
                    fmt::format("the grammar is too large: its rules call one another more than "
                                "{} deep",
                                kMostCallDepth));
      }
      while (true) {
        const RuleId member = stack.back();
        depth[member] = deepest + 1;
        stack.pop_back();
        on_stack[member] = 0;
        if (!alone) g.rule_recursive_[member] = 1;
        if (member == r) break;
      }
    }
  }
  return {};
}

void Compiler::MakeClasses() {
  std::array<bool, 257> begins{};
  begins[0] = true;
  for (const Edge& edge : made_->edges_) {
    if (edge.kind != EdgeKind::kByte) continue;
    begins[edge.first] = true;
    begins[edge.last + 1u] = true;
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    if (begins[byte]) made_->class_byte_.push_back(static_cast<unsigned char>(byte));
    made_->byte_class_[byte] = static_cast<std::uint8_t>(made_->class_byte_.size() - 1);
  }
}

}  // namespace cairn::grammar
