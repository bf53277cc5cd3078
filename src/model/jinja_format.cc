// SPDX-License-Identifier: Apache-2.0
// str.format: replacement fields and their specifications.
#include <fmt/format.h>

#include <algorithm>

#include "model/jinja_format_spec.h"
#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {
namespace {

// The specification after the colon in str.format.
Spec ReadSpec(std::string_view text) {
  Spec spec;
  std::size_t at = 0;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  if (!text.empty()) {
    std::size_t next = 0;
    NextCodePoint(text, &next);
    if (next < text.size() && is_align(text[next])) {
      spec.fill = text.substr(0, next);
      spec.align = text[next];
      at = next + 1;
    } else if (is_align(text[0])) {
      spec.align = text[0];
      at = 1;
    }
  }
  const auto skip = [&](char c) {
    if (at >= text.size() || text[at] != c) return false;
    ++at;
    return true;
  };
  for (const char sign : {'+', '-', ' '}) {
    if (skip(sign)) {
      spec.sign = sign;
      break;
    }
  }
  spec.alternate = skip('#');
  spec.zero = skip('0');
  spec.width = ReadNumber(text, &at);
  spec.comma = skip(',');
  spec.underscore = !spec.comma && skip('_');
  if (skip('.')) {
    if (at >= text.size() || !IsDigit(static_cast<unsigned char>(text[at]))) {
      FailInvalid("a format without its precision");
    }
    spec.precision = ReadNumber(text, &at);
  }
  if (at < text.size()) spec.type = text[at++];
  if (at != text.size()) FailInvalid("a format that is not understood");
  return spec;
}

Text FormatValue(Interpreter& interpreter, const Value& value, std::string_view spec_text) {
  if (spec_text.empty()) return interpreter.TextOf(value);
  const Spec spec = ReadSpec(spec_text);
  if (const Str* s = value.AsStr()) {
    if ((spec.type != '\0' && spec.type != 's') || spec.align == '=' || spec.sign != '-' ||
        spec.comma) {
      FailInvalid("a format that strings do not have");
    }
    Spec padded = spec;
    if (padded.zero && padded.align == '\0') padded.align = '<';
    return Pad(Shortened(s->text, spec.precision), padded, '<', 0);
  }
  const bool real_type =
      spec.type != '\0' && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
  const bool whole_type =
      spec.type != '\0' && std::string_view("bdoxXnc").find(spec.type) != std::string_view::npos;
  if (spec.type != '\0' && !real_type && !whole_type) FailInvalid("an unknown format");
  if (const auto i = value.AsInteger(); i && !real_type) {
    if (spec.precision >= 0) FailInvalid("integers have no precision");
    if (spec.type == 'c') {
      std::string c;
      AppendCodePoint(static_cast<char32_t>(std::clamp<Integer>(*i, 0, 0x110000)), c);
      return Pad(Text(c, Origin::kInput), spec, '<', 0);
    }
    return FormatWhole(*i, spec);
  }
  const auto d = value.AsDouble();
  if (!d || whole_type) FailInvalid(fmt::format("a {} does not take this format", TypeName(value)));
  return FormatReal(*d, spec);
}

// The value of a replacement field's name: "", "0", "name", "name.attribute[key]".
Value FieldValue(Interpreter& interpreter, std::string_view field, const Arguments& arguments,
                 int* automatic) {
  const std::size_t end = std::min(field.find_first_of(".["), field.size());
  const std::string_view first = field.substr(0, end);
  Value value;
  const auto number = ParseInteger(first, 10);
  if (first.empty() || number) {
    if (first.empty() ? *automatic < 0 : *automatic > 0) {
      FailInvalid("numbered and automatic fields in one format");
    }
    const Integer index = first.empty() ? (*automatic)++ : (*automatic = -1, *number);
    if (index >= static_cast<Integer>(arguments.positional.size())) {
      FailInvalid("the format asks for more arguments");
    }
    value = arguments.positional[static_cast<std::size_t>(index)];
  } else {
    const auto found = std::find_if(arguments.keyword.begin(), arguments.keyword.end(),
                                    [&](const auto& k) { return k.first == first; });
    if (found == arguments.keyword.end()) FailInvalid(fmt::format("the format needs '{}'", first));
    value = found->second;
  }
  for (std::size_t i = end; i < field.size();) {
    if (field[i] == '.') {
      const std::size_t stop = std::min(field.find_first_of(".[", i + 1), field.size());
      if (stop == i + 1) FailInvalid("an empty attribute in a format");
      value = interpreter.Attribute(value, field.substr(i + 1, stop - i - 1));
      i = stop;
    } else if (field[i] == '[') {
      const std::size_t stop = field.find(']', i);
      if (stop == std::string_view::npos || stop == i + 1) FailInvalid("a bad index in a format");
      const std::string_view key = field.substr(i + 1, stop - i - 1);
      const auto index = ParseInteger(key, 10);
      value = interpreter.Item(value, index ? Value(*index) : interpreter.MakeStr(key));
      i = stop + 1;
    } else {
      FailInvalid("a bad field in a format");
    }
  }
  return value;
}

Text Braces(Interpreter& interpreter, const Text& format, const Arguments& arguments,
            int* automatic, int level) {
  if (level > 2) FailInvalid("formats are nested too deeply");
  Text out;
  const std::string_view text = format.bytes();
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      const std::size_t stop = std::min(text.find_first_of("{}", i), text.size());
      out.AppendSlice(format, i, stop);
      i = stop;
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == c) {
      out.AppendSlice(format, i, i + 1);
      i += 2;
      continue;
    }
    if (c == '}') FailInvalid("a single '}' in a format");
    std::size_t close = i + 1;
    for (int open = 1; close < text.size(); ++close) {
      if (text[close] == '{') ++open;
      if (text[close] == '}' && --open == 0) break;
    }
    if (close >= text.size()) FailInvalid("a '{' in a format is not closed");
    const std::string_view field = text.substr(i + 1, close - i - 1);
    const std::size_t name_end = std::min(field.find_first_of("!:"), field.size());
    Value value = FieldValue(interpreter, field.substr(0, name_end), arguments, automatic);
    std::size_t at = name_end;
    if (at < field.size() && field[at] == '!') {
      const char kind = at + 1 < field.size() ? field[at + 1] : '\0';
      at += 2;
      if ((kind != 'r' && kind != 's' && kind != 'a') || (at < field.size() && field[at] != ':')) {
        FailInvalid("a bad conversion in a format");
      }
      Text converted;
      if (kind == 's')
        converted = interpreter.TextOf(value);
      else
        AppendRepr(value, converted, interpreter.budget());
      value = interpreter.MakeStr(std::move(converted));
    }
    std::string spec;
    if (at < field.size()) {
      const Text nested(field.substr(at + 1), Origin::kInput);
      spec = Braces(interpreter, nested, arguments, automatic, level + 1).bytes();
    }
    out.Append(FormatValue(interpreter, value, spec));
    i = close + 1;
  }
  return out;
}

}  // namespace

Text FormatBraces(Interpreter& interpreter, const Text& format, const Arguments& arguments) {
  int automatic = 0;
  return Braces(interpreter, format, arguments, &automatic, 1);
}

}  // namespace cairn::model::jinja
