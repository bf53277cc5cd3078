// SPDX-License-Identifier: Apache-2.0
// What every front end makes: rules whose bodies are expressions over bytes.
//
// An expression is a number; it may stand in any number of places. A rule may call itself, directly
// or through others. What is built is bounded: past kMostExpressions, kMostLiteralBytes or
// kMostNesting every further expression is kNever and overflowed() says so, which Grammar::Compile
// turns into an error; so front ends need not check.
// Threads: a plain value, one thread. Cost: 20 bytes an expression.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/code_points.h"

namespace cairn::grammar {

using ExpressionId = std::uint32_t;
using RuleId = std::uint32_t;

inline constexpr std::size_t kMostExpressions = 300'000;
inline constexpr std::size_t kMostLiteralBytes = 500'000;
inline constexpr std::size_t kMostNesting = 500;  // expressions inside one another
inline constexpr std::uint32_t kMostCount = 1u << 20;
inline constexpr std::uint32_t kEndless = std::numeric_limits<std::uint32_t>::max();

enum class ExpressionKind : std::uint8_t {
  kNever,       // matches nothing, not even the empty text
  kEmpty,       // the empty text
  kBytes,       // a literal
  kCharacters,  // one character of a set, as UTF-8
  kSequence,
  kChoice,
  kRepeat,
  kCall,
};

class Expressions {
 public:
  Expressions();

  static constexpr ExpressionId kNever = 0, kEmpty = 1;

  ExpressionId Bytes(std::string_view text);
  ExpressionId Characters(const CodePoints& set);
  ExpressionId Sequence(std::span<const ExpressionId> parts);
  ExpressionId Sequence(std::initializer_list<ExpressionId> parts) {
    return Sequence(std::span(parts.begin(), parts.size()));
  }
  ExpressionId Choice(std::span<const ExpressionId> parts);
  ExpressionId Choice(std::initializer_list<ExpressionId> parts) {
    return Choice(std::span(parts.begin(), parts.size()));
  }
  // min to max times; max may be kEndless. Counts above kMostCount overflow.
  ExpressionId Repeat(ExpressionId part, std::uint32_t min, std::uint32_t max);
  ExpressionId Optional(ExpressionId part) { return Choice({part, kEmpty}); }
  ExpressionId Star(ExpressionId part) { return Repeat(part, 0, kEndless); }
  ExpressionId Plus(ExpressionId part) { return Repeat(part, 1, kEndless); }
  // One of the texts. Common beginnings are shared, so that a long list costs little to follow.
  ExpressionId OneOf(std::vector<std::string> texts);

  RuleId AddRule(std::string name);
  ExpressionId Call(RuleId rule);
  void Define(RuleId rule, ExpressionId body) { rules_[rule].body = body; }

  bool overflowed() const { return overflowed_; }
  // The first rules are the same in every grammar that says so, call nothing and count nothing:
  // what is known of their insides goes for all of these grammars.
  void ShareFirstRules(std::size_t rules) { shared_rules_ = rules; }
  std::size_t shared_rules() const { return shared_rules_; }

  struct Node {
    ExpressionKind kind = ExpressionKind::kNever;
    std::uint16_t nesting = 0;
    std::uint32_t first = 0;  // of the literal's bytes, the parts, the sets; the rule; the part
    std::uint32_t size = 0;   // of the literal, the parts; the least count
    std::uint32_t most = 0;   // the largest count
  };
  struct Rule {
    std::string name;
    ExpressionId body = kNever;
  };
  const Node& node(ExpressionId id) const { return nodes_[id]; }
  std::size_t size() const { return nodes_.size(); }
  std::span<const ExpressionId> PartsOf(const Node& node) const {
    return std::span(parts_).subspan(node.first, node.size);
  }
  std::string_view BytesOf(const Node& node) const {
    return std::string_view(bytes_).substr(node.first, node.size);
  }
  const CodePoints& SetOf(const Node& node) const { return sets_[node.first]; }
  std::span<const Rule> rules() const { return rules_; }

 private:
  ExpressionId Add(Node node);
  ExpressionId AddList(ExpressionKind kind, std::span<const ExpressionId> parts);
  ExpressionId SharedBeginnings(std::span<const std::string> texts, std::size_t at,
                                std::size_t depth);

  std::vector<Node> nodes_;
  std::vector<ExpressionId> parts_;
  std::string bytes_;
  std::vector<CodePoints> sets_;
  std::vector<Rule> rules_;
  std::size_t shared_rules_ = 0;
  bool overflowed_ = false;
};

}  // namespace cairn::grammar
