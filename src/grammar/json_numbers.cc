// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace cairn::grammar {
namespace {

constexpr std::uint32_t kMostIntegerDigits = 16, kMostFractionDigits = 16;
// Without a bound above, numbers with a fraction have at most so many digits before it.
constexpr std::size_t kWholeDigits = 9;

int DigitOf(std::string_view digits) { return digits.empty() ? 0 : digits[0] - '0'; }
std::string_view Rest(std::string_view digits) {
  return digits.substr(std::min<std::size_t>(1, digits.size()));
}
std::uint64_t WholeOf(const Decimal& decimal) { return std::stoull(decimal.whole); }

}  // namespace

std::optional<Decimal> DecimalOf(double value) {
  if (!std::isfinite(value) || std::abs(value) >= 1e15) return std::nullopt;
  // The shortest digits that read as the same double.
  char text[400];
  const auto end =
      std::to_chars(text, text + sizeof text, std::abs(value), std::chars_format::fixed);
  if (end.ec != std::errc()) return std::nullopt;
  const std::string_view digits(text, static_cast<std::size_t>(end.ptr - text));
  const std::size_t point = digits.find('.');
  Decimal out{.negative = value < 0, .whole = std::string(digits.substr(0, point))};
  if (point != std::string_view::npos) out.fraction = digits.substr(point + 1);
  while (out.fraction.ends_with('0')) out.fraction.pop_back();
  if (out.whole.size() + out.fraction.size() > kExactDigits) return std::nullopt;
  return out;
}

ExpressionId JsonNumbers::Digit(int first, int last) {
  if (first > last) return Expressions::kNever;
  return out_.Characters({{static_cast<char32_t>('0' + first), static_cast<char32_t>('0' + last)}});
}

ExpressionId JsonNumbers::Digits(std::uint32_t min, std::uint32_t max) {
  return out_.Repeat(Digit(0, 9), min, max);
}

ExpressionId JsonNumbers::Integer() {
  const ExpressionId whole = out_.Choice(
      {out_.Bytes("0"), out_.Sequence({Digit(1, 9), Digits(0, kMostIntegerDigits - 1)})});
  return out_.Sequence({out_.Optional(out_.Bytes("-")), whole});
}

ExpressionId JsonNumbers::Any() {
  const ExpressionId fraction = out_.Sequence({out_.Bytes("."), Digits(1, kMostFractionDigits)});
  const ExpressionId exponent =
      out_.Sequence({out_.Characters({{'E', 'E'}, {'e', 'e'}}),
                     out_.Optional(out_.Characters({{'+', '+'}, {'-', '-'}})), Digits(1, 2)});
  return out_.Sequence({Integer(), out_.Optional(fraction), out_.Optional(exponent)});
}

// --- whole numbers ----------------------------------------------------------------------------

ExpressionId JsonNumbers::SameLength(std::string_view low, std::string_view high) {
  if (low.empty()) return Expressions::kEmpty;
  const auto rest = static_cast<std::uint32_t>(low.size() - 1);
  int first = DigitOf(low), last = DigitOf(high);
  if (first == last) {
    return out_.Sequence({Digit(first, first), SameLength(Rest(low), Rest(high))});
  }
  const std::string zeros(rest, '0'), nines(rest, '9');
  std::vector<ExpressionId> ways;
  if (Rest(low) != zeros) {
    ways.push_back(out_.Sequence({Digit(first, first), SameLength(Rest(low), nines)}));
    ++first;
  }
  if (Rest(high) != nines) {
    ways.push_back(out_.Sequence({Digit(last, last), SameLength(zeros, Rest(high))}));
    --last;
  }
  if (first <= last) ways.push_back(out_.Sequence({Digit(first, last), Digits(rest, rest)}));
  return out_.Choice(ways);
}

ExpressionId JsonNumbers::NotNegative(std::uint64_t low, std::optional<std::uint64_t> high) {
  if (high && *high < low) return Expressions::kNever;
  const std::string from = std::to_string(low);
  const std::string to =
      high ? std::to_string(*high)
           : std::string(std::max<std::size_t>(kMostIntegerDigits, from.size()), '9');
  std::vector<ExpressionId> ways;
  for (std::size_t size = from.size(); size <= to.size(); ++size) {
    const std::string least = size == from.size() ? from : "1" + std::string(size - 1, '0');
    const std::string most = size == to.size() ? to : std::string(size, '9');
    ways.push_back(SameLength(least, most));
  }
  return out_.Choice(ways);
}

ExpressionId JsonNumbers::IntegerBetween(std::optional<std::int64_t> least,
                                         std::optional<std::int64_t> most) {
  const auto size_of = [](std::int64_t v) {
    return std::uint64_t{0} - static_cast<std::uint64_t>(v);
  };
  std::vector<ExpressionId> ways;
  if (!most || *most >= 0) {
    const std::uint64_t low = least && *least > 0 ? static_cast<std::uint64_t>(*least) : 0;
    ways.push_back(
        NotNegative(low, most ? std::optional(static_cast<std::uint64_t>(*most)) : std::nullopt));
  }
  if (!least || *least < 0) {
    const std::uint64_t low = most && *most < 0 ? size_of(*most) : 1;
    ways.push_back(
        out_.Sequence({out_.Bytes("-"),
                       NotNegative(low, least ? std::optional(size_of(*least)) : std::nullopt)}));
  }
  return out_.Choice(ways);
}

// A rule for each remainder and number of digits that may still come.
ExpressionId JsonNumbers::Multiples(std::uint32_t divisor, Signs signs) {
  std::vector<ExpressionId> later;  // by remainder, with one digit less to come
  for (std::uint32_t left = 0; left < kExactDigits; ++left) {
    std::vector<ExpressionId> now;
    for (std::uint32_t remainder = 0; remainder < divisor; ++remainder) {
      std::vector<ExpressionId> ways;
      if (remainder == 0) ways.push_back(Expressions::kEmpty);
      for (std::uint32_t digit = 0; digit < 10 && left > 0; ++digit) {
        ways.push_back(out_.Sequence({Digit(static_cast<int>(digit), static_cast<int>(digit)),
                                      later[(remainder * 10 + digit) % divisor]}));
      }
      const ExpressionId body = out_.Choice(ways);
      if (body == Expressions::kNever || body == Expressions::kEmpty) {
        now.push_back(body);
        continue;
      }
      const RuleId rule = out_.AddRule("multiple");
      out_.Define(rule, body);
      now.push_back(out_.Call(rule));
    }
    later = std::move(now);
  }
  std::vector<ExpressionId> ways;
  for (std::uint32_t digit = 1; digit < 10; ++digit) {
    ways.push_back(out_.Sequence(
        {Digit(static_cast<int>(digit), static_cast<int>(digit)), later[digit % divisor]}));
  }
  const ExpressionId positive = out_.Choice(ways);
  return out_.Choice(
      {signs.zero ? out_.Bytes("0") : Expressions::kNever, positive,
       signs.negative ? out_.Sequence({out_.Bytes("-"), positive}) : Expressions::kNever});
}

// --- decimals ---------------------------------------------------------------------------------

ExpressionId JsonNumbers::AtLeast(std::string_view low, bool exclusive, std::uint32_t left,
                                  bool first) {
  if (low.empty() && !exclusive) return Digits(first ? 1 : 0, left);
  if (left == 0) return Expressions::kNever;
  const int digit = DigitOf(low);
  return out_.Choice(
      {out_.Sequence({Digit(digit, digit), AtLeast(Rest(low), exclusive, left - 1, false)}),
       out_.Sequence({Digit(digit + 1, 9), Digits(0, left - 1)})});
}

ExpressionId JsonNumbers::AtMost(std::string_view high, bool exclusive, std::uint32_t left,
                                 bool first) {
  if (high.empty()) {
    return exclusive ? Expressions::kNever : out_.Repeat(Digit(0, 0), first ? 1 : 0, left);
  }
  std::vector<ExpressionId> ways;
  if (!first) ways.push_back(Expressions::kEmpty);
  if (left > 0) {
    const int digit = DigitOf(high);
    ways.push_back(out_.Sequence({Digit(0, digit - 1), Digits(0, left - 1)}));
    ways.push_back(
        out_.Sequence({Digit(digit, digit), AtMost(Rest(high), exclusive, left - 1, false)}));
  }
  return out_.Choice(ways);
}

ExpressionId JsonNumbers::FractionBetween(std::string_view low, bool low_exclusive,
                                          std::string_view high, bool high_exclusive,
                                          std::uint32_t left, bool first) {
  if (low.empty() && high.empty()) {
    if (low_exclusive || high_exclusive) return Expressions::kNever;
    return out_.Repeat(Digit(0, 0), first ? 1 : 0, left);
  }
  std::vector<ExpressionId> ways;
  if (!first && low.empty() && !low_exclusive) ways.push_back(Expressions::kEmpty);
  if (left > 0) {
    const int from = DigitOf(low), to = DigitOf(high);
    if (from == to) {
      ways.push_back(
          out_.Sequence({Digit(from, from), FractionBetween(Rest(low), low_exclusive, Rest(high),
                                                            high_exclusive, left - 1, false)}));
    } else if (from < to) {
      ways.push_back(
          out_.Sequence({Digit(from, from), AtLeast(Rest(low), low_exclusive, left - 1, false)}));
      ways.push_back(out_.Sequence({Digit(from + 1, to - 1), Digits(0, left - 1)}));
      ways.push_back(
          out_.Sequence({Digit(to, to), AtMost(Rest(high), high_exclusive, left - 1, false)}));
    }
  }
  return out_.Choice(ways);
}

ExpressionId JsonNumbers::WithPoint(ExpressionId digits, bool zero) {
  const ExpressionId fraction = out_.Sequence({out_.Bytes("."), digits});
  return zero ? out_.Optional(fraction) : fraction;
}

ExpressionId JsonNumbers::Decimals(const Edge& low, const std::optional<Edge>& high) {
  const std::size_t digits =
      high ? high->at.whole.size() : std::max(kWholeDigits, low.at.whole.size());
  const auto left = static_cast<std::uint32_t>(kExactDigits - std::min<std::size_t>(digits, 15));
  const std::uint64_t from = WholeOf(low.at);
  const std::string_view low_fraction = low.at.fraction;
  std::vector<ExpressionId> ways;
  const bool low_whole = low_fraction.empty() && !low.exclusive;
  if (high && WholeOf(high->at) == from) {
    const std::string_view high_fraction = high->at.fraction;
    const bool whole = low_whole && (!high_fraction.empty() || !high->exclusive);
    const ExpressionId fraction =
        FractionBetween(low_fraction, low.exclusive, high_fraction, high->exclusive, left, true);
    return out_.Sequence({out_.Bytes(low.at.whole), WithPoint(fraction, whole)});
  }
  ways.push_back(
      out_.Sequence({out_.Bytes(low.at.whole),
                     WithPoint(AtLeast(low_fraction, low.exclusive, left, true), low_whole)}));
  const ExpressionId any = WithPoint(Digits(1, left), true);
  if (!high) {
    const std::uint64_t most = std::stoull(std::string(digits, '9'));
    ways.push_back(out_.Sequence({NotNegative(from + 1, most), any}));
    if (digits < kExactDigits) {
      ways.push_back(NotNegative(most + 1, std::stoull(std::string(kExactDigits, '9'))));
    }
    return out_.Choice(ways);
  }
  const std::uint64_t to = WholeOf(high->at);
  if (to > from + 1) ways.push_back(out_.Sequence({NotNegative(from + 1, to - 1), any}));
  const bool high_whole = !high->at.fraction.empty() || !high->exclusive;
  ways.push_back(out_.Sequence(
      {out_.Bytes(high->at.whole),
       WithPoint(AtMost(high->at.fraction, high->exclusive, left, true), high_whole)}));
  return out_.Choice(ways);
}

std::optional<ExpressionId> JsonNumbers::Between(const NumberBounds& bounds) {
  std::optional<Edge> least, most;
  const auto read = [](const std::optional<NumberBounds::Bound>& bound, std::optional<Edge>& edge) {
    if (!bound) return true;
    const auto decimal = DecimalOf(bound->value);
    if (!decimal) return false;
    edge = Edge{.at = *decimal, .exclusive = bound->exclusive};
    return true;
  };
  if (!read(bounds.least, least) || !read(bounds.most, most)) return std::nullopt;
  if (bounds.least && bounds.most) {
    const double low = bounds.least->value, high = bounds.most->value;
    const bool exclusive = bounds.least->exclusive || bounds.most->exclusive;
    if (low > high || (low == high && exclusive)) return Expressions::kNever;
  }
  const Edge zero;
  std::vector<ExpressionId> ways;
  if (!most || !most->at.negative) {
    const bool above = least && !least->at.negative;
    const bool only_zero = most && most->at.zero() && most->exclusive;
    if (!only_zero) ways.push_back(Decimals(above ? *least : zero, most));
  }
  if (!least || (least->at.negative && !least->at.zero())) {
    // From the bound above, without its sign, to the one below.
    const bool below = most && most->at.negative;
    const Edge low = below ? *most : Edge{.at = {}, .exclusive = true};
    ways.push_back(out_.Sequence({out_.Bytes("-"), Decimals(low, least)}));
  }
  return out_.Choice(ways);
}

}  // namespace cairn::grammar
