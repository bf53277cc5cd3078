// SPDX-License-Identifier: Apache-2.0
#include "grammar/expressions.h"

#include <algorithm>

namespace cairn::grammar {

Expressions::Expressions() {
  nodes_.push_back({.kind = ExpressionKind::kNever});
  nodes_.push_back({.kind = ExpressionKind::kEmpty});
}

ExpressionId Expressions::Add(Node node) {
  if (nodes_.size() >= kMostExpressions || node.nesting > kMostNesting) {
    overflowed_ = true;
    return kNever;
  }
  nodes_.push_back(node);
  return static_cast<ExpressionId>(nodes_.size() - 1);
}

ExpressionId Expressions::Bytes(std::string_view text) {
  if (text.empty()) return kEmpty;
  if (bytes_.size() + text.size() > kMostLiteralBytes) {
    overflowed_ = true;
    return kNever;
  }
  const auto first = static_cast<std::uint32_t>(bytes_.size());
  bytes_ += text;
  return Add({.kind = ExpressionKind::kBytes,
              .first = first,
              .size = static_cast<std::uint32_t>(text.size())});
}

ExpressionId Expressions::Characters(const CodePoints& set) {
  if (set.empty()) return kNever;
  const auto ranges = set.ranges();
  if (ranges.size() == 1 && ranges[0].first == ranges[0].last) {
    std::string text;
    AppendUtf8(ranges[0].first, text);
    return Bytes(text);
  }
  // The same classes come again and again.
  for (std::size_t back = 0; back < std::min<std::size_t>(sets_.size(), 8); ++back) {
    const std::size_t at = sets_.size() - 1 - back;
    if (sets_[at] == set) {
      return Add({.kind = ExpressionKind::kCharacters, .first = static_cast<std::uint32_t>(at)});
    }
  }
  sets_.push_back(set);
  return Add(
      {.kind = ExpressionKind::kCharacters, .first = static_cast<std::uint32_t>(sets_.size() - 1)});
}

ExpressionId Expressions::AddList(ExpressionKind kind, std::span<const ExpressionId> parts) {
  Node list{.kind = kind,
            .first = static_cast<std::uint32_t>(parts_.size()),
            .size = static_cast<std::uint32_t>(parts.size())};
  if (parts_.size() + parts.size() > 2 * kMostExpressions) {
    overflowed_ = true;
    return kNever;
  }
  for (const ExpressionId part : parts) {
    list.nesting =
        std::max<std::uint16_t>(list.nesting, static_cast<std::uint16_t>(nodes_[part].nesting + 1));
  }
  parts_.insert(parts_.end(), parts.begin(), parts.end());
  return Add(list);
}

ExpressionId Expressions::Sequence(std::span<const ExpressionId> parts) {
  std::vector<ExpressionId> kept;
  for (const ExpressionId part : parts) {
    if (part == kNever) return kNever;
    if (part != kEmpty) kept.push_back(part);
  }
  if (kept.empty()) return kEmpty;
  return kept.size() == 1 ? kept[0] : AddList(ExpressionKind::kSequence, kept);
}

ExpressionId Expressions::Choice(std::span<const ExpressionId> parts) {
  std::vector<ExpressionId> kept;
  bool empty = false;
  for (const ExpressionId part : parts) {
    if (part == kNever || (part == kEmpty && empty)) continue;
    empty = empty || part == kEmpty;
    kept.push_back(part);
  }
  if (kept.empty()) return kNever;
  return kept.size() == 1 ? kept[0] : AddList(ExpressionKind::kChoice, kept);
}

ExpressionId Expressions::Repeat(ExpressionId part, std::uint32_t min, std::uint32_t max) {
  if (min > kMostCount || (max != kEndless && max > kMostCount)) {
    overflowed_ = true;
    return kNever;
  }
  if (max < min) return kNever;
  if (part == kNever || part == kEmpty) return min == 0 ? kEmpty : part;
  if (max == 0) return kEmpty;
  if (min == 1 && max == 1) return part;
  if (min == 0 && max == 1) return Optional(part);
  return Add({.kind = ExpressionKind::kRepeat,
              .nesting = static_cast<std::uint16_t>(nodes_[part].nesting + 1),
              .first = part,
              .size = min,
              .most = max});
}

ExpressionId Expressions::OneOf(std::vector<std::string> texts) {
  std::ranges::sort(texts);
  const auto doubles = std::ranges::unique(texts);
  texts.erase(doubles.begin(), doubles.end());
  return SharedBeginnings(texts, 0, 0);
}

// Sorted texts that agree before `at`.
ExpressionId Expressions::SharedBeginnings(std::span<const std::string> texts, std::size_t at,
                                           std::size_t depth) {
  if (texts.empty()) return kNever;
  const std::string_view first = texts.front(), last = texts.back();
  if (texts.size() == 1 || depth > kMostNesting / 4) {
    std::vector<ExpressionId> rest;
    for (const std::string& text : texts) rest.push_back(Bytes(std::string_view(text).substr(at)));
    return Choice(rest);
  }
  const auto differ = std::ranges::mismatch(first.substr(at), last.substr(at));
  const auto common = static_cast<std::size_t>(differ.in1 - (first.begin() + at));
  std::vector<ExpressionId> ways;
  const std::size_t next = at + common;
  for (std::size_t i = 0; i < texts.size();) {
    if (texts[i].size() == next) {
      ways.push_back(kEmpty);
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    while (end < texts.size() && texts[end][next] == texts[i][next]) ++end;
    ways.push_back(SharedBeginnings(texts.subspan(i, end - i), next, depth + 1));
    i = end;
  }
  return Sequence({Bytes(first.substr(at, common)), Choice(ways)});
}

RuleId Expressions::AddRule(std::string name) {
  // A rule without an expression that calls it costs nothing; one list holds both bounds.
  if (rules_.size() >= kMostExpressions) {
    overflowed_ = true;
    return 0;
  }
  rules_.push_back({.name = std::move(name)});
  return static_cast<RuleId>(rules_.size() - 1);
}

ExpressionId Expressions::Call(RuleId rule) {
  return Add({.kind = ExpressionKind::kCall, .first = rule});
}

}  // namespace cairn::grammar
