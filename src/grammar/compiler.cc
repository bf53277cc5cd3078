// SPDX-License-Identifier: Apache-2.0
#include "grammar/compiler.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"

namespace cairn::grammar {
namespace {

constexpr std::size_t kMostEdges = 1'000'000;
constexpr std::uint32_t kMostCallDepth = 2'000;
constexpr std::uint64_t kMostCounterStates = std::uint64_t{1} << 31;
// A repetition whose copies have at most so many expressions is written out.
constexpr std::size_t kWrittenOut = 16;

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
  for (RuleId rule = 0; rule < bodies_.size() && !too_large_; ++rule) BuildRule(rule);
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

// --- automata ---------------------------------------------------------------------------------

StateId Compiler::NewState() { return made_->states_++; }

void Compiler::Connect(StateId from, StateId to, EdgeKind kind, RuleId rule, unsigned char first,
                       unsigned char last) {
  if (pending_.size() >= kMostEdges) {
    too_large_ = true;
    return;
  }
  pending_.push_back(
      {from, {.target = to, .rule = rule, .kind = kind, .first = first, .last = last}});
}

void Compiler::BuildRule(RuleId rule) {
  const Body body = bodies_[rule];
  if (body.counter) {  // its states come after all others, see SortEdges
    made_->rule_start_.push_back(0);
    rule_end_.push_back(0);
    return;
  }
  const StateId start = NewState(), end = NewState();
  made_->rule_start_.push_back(start);
  rule_end_.push_back(end);
  if (rule < source_.rules().size() && BeginsWith(body.expression, rule)) {
    BuildLeftRecursive(rule, start, end);
  } else {
    Build(body.expression, start, end);
  }
}

void Compiler::Build(ExpressionId id, StateId from, StateId to) {
  if (productive_[id] == 0 || too_large_) return;
  const auto& node = source_.node(id);
  switch (node.kind) {
    case ExpressionKind::kNever: return;
    case ExpressionKind::kEmpty: Connect(from, to, EdgeKind::kEmpty); return;
    case ExpressionKind::kBytes: {
      const std::string_view text = source_.BytesOf(node);
      for (std::size_t i = 0; i < text.size(); ++i) {
        const StateId next = i + 1 == text.size() ? to : NewState();
        const auto byte = static_cast<unsigned char>(text[i]);
        Connect(from, next, EdgeKind::kByte, 0, byte, byte);
        from = next;
      }
      return;
    }
    case ExpressionKind::kCharacters: BuildCharacters(source_.SetOf(node), from, to); return;
    case ExpressionKind::kSequence: {
      const auto parts = source_.PartsOf(node);
      for (std::size_t i = 0; i < parts.size(); ++i) {
        const StateId next = i + 1 == parts.size() ? to : NewState();
        Build(parts[i], from, next);
        from = next;
      }
      return;
    }
    case ExpressionKind::kChoice:
      for (const ExpressionId part : source_.PartsOf(node)) Build(part, from, to);
      return;
    case ExpressionKind::kRepeat: BuildRepeat(node, from, to); return;
    case ExpressionKind::kCall:
      CallEdge(node.first, rule_nullable_[node.first] != 0, from, to);
      return;
  }
}

void Compiler::CallEdge(RuleId rule, bool nullable, StateId from, StateId to) {
  if (nullable) Connect(from, to, EdgeKind::kEmpty);
  Connect(from, to, EdgeKind::kCall, rule);
}

void Compiler::BuildCharacters(const CodePoints& set, StateId from, StateId to) {
  // Sequences come in ascending order, so those that begin alike stand together.
  struct Step {
    ByteSequence::Range range;
    StateId state;
  };
  std::vector<Step> path;  // of the last sequence, without its last byte
  for (const ByteSequence& sequence : Utf8Of(set)) {
    std::size_t shared = 0;
    while (shared < path.size() && static_cast<int>(shared) + 1 < sequence.size &&
           path[shared].range.first == sequence.ranges[shared].first &&
           path[shared].range.last == sequence.ranges[shared].last) {
      ++shared;
    }
    path.erase(path.begin() + static_cast<std::ptrdiff_t>(shared), path.end());
    StateId at = shared == 0 ? from : path.back().state;
    for (int i = static_cast<int>(shared); i < sequence.size; ++i) {
      const auto& range = sequence.ranges[i];
      const StateId next = i + 1 == sequence.size ? to : NewState();
      Connect(at, next, EdgeKind::kByte, 0, range.first, range.last);
      if (i + 1 < sequence.size) path.push_back({range, next});
      at = next;
    }
  }
}

// Expressions in it, counted up to `most`.
std::size_t Compiler::SizeOf(ExpressionId id, std::size_t most) const {
  const auto& node = source_.node(id);
  std::size_t size = 1;
  switch (node.kind) {
    case ExpressionKind::kBytes: return node.size;
    case ExpressionKind::kCharacters: return source_.SetOf(node).ranges().size();
    case ExpressionKind::kSequence:
    case ExpressionKind::kChoice:
      for (const ExpressionId part : source_.PartsOf(node)) {
        if (size > most) return size;
        size += SizeOf(part, most);
      }
      return size;
    case ExpressionKind::kRepeat: {
      const std::size_t copies =
          std::max<std::size_t>(1, node.most == kEndless ? node.size + 1 : node.most);
      return 1 + copies * SizeOf(node.first, most);
    }
    default: return size;
  }
}

void Compiler::BuildRepeat(const Expressions::Node& node, StateId from, StateId to) {
  const ExpressionId part = node.first;
  if (productive_[part] == 0) return Connect(from, to, EdgeKind::kEmpty);
  const std::uint32_t min = nullable_[part] != 0 ? 0 : node.size;
  if (node.most == kEndless && min <= 1) {
    const StateId before = NewState(), after = NewState();
    Connect(from, before, EdgeKind::kEmpty);
    Build(part, before, after);
    Connect(after, before, EdgeKind::kEmpty);
    Connect(after, to, EdgeKind::kEmpty);
    if (min == 0) Connect(from, to, EdgeKind::kEmpty);
    return;
  }
  const std::size_t copies = node.most == kEndless ? min + 1 : node.most;
  if (copies > kWrittenOut || copies * SizeOf(part, kWrittenOut) > kWrittenOut) {
    const RuleId counter = CounterFor(part, min, node.most);
    CallEdge(counter, min == 0, from, to);
    return;
  }
  for (std::uint32_t i = 0; i < copies; ++i) {
    const bool endless = node.most == kEndless && i + 1 == copies;
    const StateId next = NewState();
    if (i >= min) Connect(from, to, EdgeKind::kEmpty);
    Build(part, from, next);
    if (endless) Connect(next, from, EdgeKind::kEmpty);
    from = next;
  }
  Connect(from, to, EdgeKind::kEmpty);
}

// The rule that repeats a part so often: two rules, the part's and the counter's.
RuleId Compiler::CounterFor(ExpressionId part, std::uint32_t min, std::uint32_t max) {
  RuleId rule = 0;
  if (source_.node(part).kind == ExpressionKind::kCall) {
    rule = source_.node(part).first;
  } else {
    rule = static_cast<RuleId>(bodies_.size());
    bodies_.push_back({.expression = part});
  }
  bodies_.push_back({.counter = true, .counter_rule = rule, .min = min, .max = max});
  counter_states_ += std::uint64_t{max == kEndless ? min : max} + 1;
  return static_cast<RuleId>(bodies_.size() - 1);
}

// --- left recursion ---------------------------------------------------------------------------

bool Compiler::BeginsWith(ExpressionId id, RuleId rule) const {
  const auto& node = source_.node(id);
  switch (node.kind) {
    case ExpressionKind::kCall: return node.first == rule;
    case ExpressionKind::kSequence: return BeginsWith(source_.PartsOf(node).front(), rule);
    case ExpressionKind::kChoice:
      return std::ranges::any_of(source_.PartsOf(node),
                                 [&](ExpressionId part) { return BeginsWith(part, rule); });
    default: return false;
  }
}

// A = A x | A y | b  is  A = b (x | y)*. Choices inside the choice are looked into.
void Compiler::BuildLeftRecursive(RuleId rule, StateId from, StateId to) {
  const StateId loop = NewState();
  Connect(loop, to, EdgeKind::kEmpty);
  std::vector<ExpressionId> work{source_.rules()[rule].body};
  while (!work.empty()) {
    const ExpressionId id = work.back();
    work.pop_back();
    const auto& node = source_.node(id);
    if (!BeginsWith(id, rule)) {
      Build(id, from, loop);
    } else if (node.kind == ExpressionKind::kChoice) {
      const auto parts = source_.PartsOf(node);
      work.insert(work.end(), parts.begin(), parts.end());
    } else if (node.kind == ExpressionKind::kSequence && productive_[id] != 0) {
      const auto parts = source_.PartsOf(node);
      if (source_.node(parts.front()).kind != ExpressionKind::kCall) {
        Build(id, from, loop);  // a group that begins with the rule: RankRules says so
        continue;
      }
      StateId at = loop;
      for (std::size_t i = 1; i < parts.size(); ++i) {
        const StateId next = i + 1 == parts.size() ? loop : NewState();
        Build(parts[i], at, next);
        at = next;
      }
    }  // A = A says nothing
  }
}

// --- the whole --------------------------------------------------------------------------------

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
std::vector<RuleId> Compiler::FirstCalls(RuleId rule) const {
  const Grammar& g = *made_;
  if (bodies_[rule].counter) return {bodies_[rule].counter_rule};
  std::vector<RuleId> calls;
  std::vector<StateId> work{g.rule_start_[rule]};
  std::vector<StateId> seen = work;
  // Beginnings are short; where one is not, the sorted list keeps it n log n.
  while (!work.empty()) {
    const StateId s = work.back();
    work.pop_back();
    for (const Edge& edge : g.EdgesOf(s)) {
      if (edge.kind == EdgeKind::kCall) calls.push_back(edge.rule);
      if (edge.kind != EdgeKind::kEmpty) continue;
      const auto at = std::ranges::lower_bound(seen, edge.target);
      if (at != seen.end() && *at == edge.target) continue;
      seen.insert(at, edge.target);
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
