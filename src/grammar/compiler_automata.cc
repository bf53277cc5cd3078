// SPDX-License-Identifier: Apache-2.0
// Expressions become automata: the compiler's second part.
#include <algorithm>

#include "grammar/compiler.h"

namespace cairn::grammar {
namespace {

constexpr std::size_t kMostEdges = 500'000;
// A repetition whose copies have at most so many expressions is written out.
constexpr std::size_t kWrittenOut = 16;

}  // namespace

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
    case ExpressionKind::kBytes: return std::min<std::size_t>(node.size, most + 1);
    case ExpressionKind::kCharacters: return source_.SetOf(node).ranges().size();
    case ExpressionKind::kSequence:
    case ExpressionKind::kChoice:
      for (const ExpressionId part : source_.PartsOf(node)) {
        if (size > most) return size;
        size += SizeOf(part, most);
      }
      return std::min(size, most + 1);
    case ExpressionKind::kRepeat: {
      const std::size_t copies =
          std::max<std::size_t>(1, node.most == kEndless ? node.size + 1 : node.most);
      return std::min(1 + std::min(copies, most) * SizeOf(node.first, most), most + 1);
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

}  // namespace cairn::grammar
