// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_text.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <string>

namespace cairn::grammar {
namespace {

const CodePoints kPlain = CodePoints{{0x20, kLastCodePoint}}.Without({{'"', '"'}, {'\\', '\\'}});
const CodePoints kEscaped = CodePoints{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};

}  // namespace

JsonText::JsonText(Expressions& expressions)
    : out_(expressions),
      numbers_(expressions),
      character_(out_.AddRule("character")),
      escaped_(out_.AddRule("escaped")),
      string_(out_.AddRule("string")),
      space_(out_.AddRule("space")),
      spellings_(out_.AddRule("spellings")),
      number_(out_.AddRule("number")),
      integer_(out_.AddRule("integer")),
      object_(out_.AddRule("object")),
      array_(out_.AddRule("array")),
      any_(out_.AddRule("any")) {
  out_.ShareFirstRules(string_ + 1);
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
  out_.Define(escaped_, Escapes(kEscaped));
  out_.Define(spellings_, out_.Star(Spelled(CodePoints::All())));
  out_.Define(string_, out_.Sequence({out_.Bytes("\""), out_.Star(character), out_.Bytes("\"")}));
  out_.Define(integer_, numbers_.Integer());
  out_.Define(number_, numbers_.Any());
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
  const ExpressionId plain = out_.Characters(set.Common(kPlain));
  const CodePoints escaped = set.Without(kPlain);
  if (escaped == kEscaped) return out_.Choice({plain, out_.Call(escaped_)});
  return out_.Choice({plain, Escapes(escaped)});
}

ExpressionId JsonText::Escapes(const CodePoints& set) {
  std::vector<ExpressionId> ways;
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
