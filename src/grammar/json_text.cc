// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_text.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <string>

namespace cairn::grammar {
namespace {

constexpr std::uint32_t kMostIntegerDigits = 16, kMostFractionDigits = 16;

const CodePoints kPlain = CodePoints{{0x20, kLastCodePoint}}.Without({{'"', '"'}, {'\\', '\\'}});

}  // namespace

JsonText::JsonText(Expressions& expressions)
    : out_(expressions),
      space_(out_.AddRule("space")),
      character_(out_.AddRule("character")),
      string_(out_.AddRule("string")),
      number_(out_.AddRule("number")),
      integer_(out_.AddRule("integer")),
      object_(out_.AddRule("object")),
      array_(out_.AddRule("array")),
      any_(out_.AddRule("any")) {
  out_.Define(
      space_,
      out_.Optional(out_.Choice(
          {out_.Bytes(" "),
           out_.Sequence({out_.Bytes("\n"), out_.Repeat(out_.Bytes(" "), 0, kMostIndent)})})));
  const ExpressionId hex = out_.Characters({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
  const ExpressionId d = out_.Characters({{'D', 'D'}, {'d', 'd'}});
  // \uHHHH: a character, or the two halves of one.
  const ExpressionId plain_unit = out_.Choice(
      {out_.Sequence({out_.Characters({{'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}}),
                      hex, hex, hex}),
       out_.Sequence({d, out_.Characters({{'0', '7'}}), hex, hex})});
  const ExpressionId high =
      out_.Sequence({d, out_.Characters({{'8', '9'}, {'A', 'B'}, {'a', 'b'}}), hex, hex});
  const ExpressionId low = out_.Sequence({d, out_.Characters({{'C', 'F'}, {'c', 'f'}}), hex, hex});
  const ExpressionId character = out_.Choice(
      {out_.Characters(kPlain),
       out_.Sequence(
           {out_.Bytes("\\"),
            out_.Choice(
                {out_.Characters({{'"', '"'},
                                  {'/', '/'},
                                  {'\\', '\\'},
                                  {'b', 'b'},
                                  {'f', 'f'},
                                  {'n', 'n'},
                                  {'r', 'r'},
                                  {'t', 't'}}),
                 out_.Sequence({out_.Bytes("u"),
                                out_.Choice({plain_unit, out_.Sequence({high, out_.Bytes("\\u"),
                                                                        low})})})})})});
  out_.Define(character_, character);
  out_.Define(string_, out_.Sequence({out_.Bytes("\""), out_.Star(character), out_.Bytes("\"")}));
  const ExpressionId whole = out_.Choice(
      {out_.Bytes("0"), out_.Sequence({Digit('1', '9'), Digits(0, kMostIntegerDigits - 1)})});
  const ExpressionId minus = out_.Optional(out_.Bytes("-"));
  out_.Define(integer_, out_.Sequence({minus, whole}));
  const ExpressionId fraction = out_.Sequence({out_.Bytes("."), Digits(1, kMostFractionDigits)});
  const ExpressionId exponent =
      out_.Sequence({out_.Characters({{'E', 'E'}, {'e', 'e'}}),
                     out_.Optional(out_.Characters({{'+', '+'}, {'-', '-'}})), Digits(1, 2)});
  out_.Define(number_,
              out_.Sequence({minus, whole, out_.Optional(fraction), out_.Optional(exponent)}));
  const ExpressionId member =
      out_.Sequence({out_.Call(string_), Space(), out_.Bytes(":"), Space(), out_.Call(any_)});
  const auto list = [&](const char* open, ExpressionId item, const char* close) {
    return out_.Sequence(
        {out_.Bytes(open), Space(),
         out_.Optional(out_.Sequence({item, out_.Star(out_.Sequence({Comma(), item})), Space()})),
         out_.Bytes(close)});
  };
  out_.Define(object_, list("{", member, "}"));
  out_.Define(array_, list("[", out_.Call(any_), "]"));
  out_.Define(any_, out_.Choice({out_.Call(object_), out_.Call(array_), out_.Call(string_),
                                 out_.Call(number_), out_.Bytes("true"), out_.Bytes("false"),
                                 out_.Bytes("null")}));
}

ExpressionId JsonText::Comma() { return out_.Sequence({Space(), out_.Bytes(","), Space()}); }

ExpressionId JsonText::String(std::uint32_t min, std::uint32_t max) {
  if (min == 0 && max == kEndless) return out_.Call(string_);
  return out_.Sequence(
      {out_.Bytes("\""), out_.Repeat(out_.Call(character_), min, max), out_.Bytes("\"")});
}

ExpressionId JsonText::Spelled(const CodePoints& set) {
  std::vector<ExpressionId> ways{out_.Characters(set.Common(kPlain))};
  if (set.Has('"')) ways.push_back(out_.Bytes("\\\""));
  if (set.Has('\\')) ways.push_back(out_.Bytes("\\\\"));
  for (char32_t c = 0; c < 0x20; ++c) {
    if (!set.Has(c)) continue;
    const char* name = c == 8    ? "\\b"
                       : c == 9  ? "\\t"
                       : c == 10 ? "\\n"
                       : c == 12 ? "\\f"
                       : c == 13 ? "\\r"
                                 : nullptr;
    ways.push_back(out_.Bytes(
        name != nullptr ? std::string(name) : fmt::format("\\u{:04x}", static_cast<unsigned>(c))));
  }
  return out_.Choice(ways);
}

ExpressionId JsonText::Digits(std::uint32_t min, std::uint32_t max) {
  return out_.Repeat(Digit('0', '9'), min, max);
}

ExpressionId JsonText::SameLength(std::string_view low, std::string_view high) {
  if (low.empty()) return Expressions::kEmpty;
  const auto rest = static_cast<std::uint32_t>(low.size() - 1);
  if (low[0] == high[0]) {
    return out_.Sequence({Digit(low[0], low[0]), SameLength(low.substr(1), high.substr(1))});
  }
  const std::string zeros(rest, '0'), nines(rest, '9');
  char first = low[0], last = high[0];
  std::vector<ExpressionId> ways;
  if (low.substr(1) != zeros) {
    ways.push_back(out_.Sequence({Digit(first, first), SameLength(low.substr(1), nines)}));
    ++first;
  }
  if (high.substr(1) != nines) {
    ways.push_back(out_.Sequence({Digit(last, last), SameLength(zeros, high.substr(1))}));
    --last;
  }
  if (first <= last) ways.push_back(out_.Sequence({Digit(first, last), Digits(rest, rest)}));
  return out_.Choice(ways);
}

ExpressionId JsonText::NotNegative(std::uint64_t low, std::optional<std::uint64_t> high) {
  const std::string from = std::to_string(low);
  const std::string to =
      high ? std::to_string(*high)
           : std::string(std::max<std::size_t>(kMostIntegerDigits, from.size()), '9');
  if (high && *high < low) return Expressions::kNever;
  std::vector<ExpressionId> ways;
  for (std::size_t size = from.size(); size <= to.size(); ++size) {
    const std::string least = size == from.size() ? from : "1" + std::string(size - 1, '0');
    const std::string most = size == to.size() ? to : std::string(size, '9');
    ways.push_back(SameLength(least, most));
  }
  return out_.Choice(ways);
}

ExpressionId JsonText::IntegerBetween(std::optional<std::int64_t> least,
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

std::string CompactJson(const boost::json::value& value) {
  std::string text;
  const auto append = [&](std::string_view separator, const std::string& part) {
    if (text.size() > 1) text += separator;
    text += part;
  };
  switch (value.kind()) {
    case boost::json::kind::double_: return fmt::format("{}", value.get_double());
    case boost::json::kind::array:
      text = "[";
      for (const auto& item : value.get_array()) append(",", CompactJson(item));
      return text + "]";
    case boost::json::kind::object:
      text = "{";
      for (const auto& [key, member] : value.get_object()) {
        append(",", boost::json::serialize(boost::json::string(key)) + ":" + CompactJson(member));
      }
      return text + "}";
    default: return boost::json::serialize(value);
  }
}

}  // namespace cairn::grammar
