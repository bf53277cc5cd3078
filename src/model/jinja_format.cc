// SPDX-License-Identifier: Apache-2.0
// Python's two ways to format text, and strftime.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {
namespace {

// One conversion, by either way.
struct Spec {
  std::string fill = " ";
  char align = '\0';
  char sign = '-';
  bool alternate = false, zero = false, comma = false, underscore = false;
  int width = 0;
  int precision = -1;
  char type = '\0';
};

constexpr int kMaxWidth = 100'000;

int ReadNumber(std::string_view text, std::size_t* at) {
  int number = 0;
  while (*at < text.size() && IsDigit(static_cast<unsigned char>(text[*at]))) {
    number = number * 10 + (text[(*at)++] - '0');
    if (number > kMaxWidth) FailLimit("a width or precision is too large");
  }
  return number;
}

Text Pad(Text text, const Spec& spec, char fallback, std::size_t sign_size) {
  const auto size = static_cast<int>(CountCodePoints(text.bytes()));
  if (size >= spec.width) return text;
  const int pad = spec.width - size;
  const char align = spec.align != '\0' ? spec.align : spec.zero ? '=' : fallback;
  const std::string fill = spec.zero && spec.fill == " " ? "0" : spec.fill;
  const auto filled = [&](int count) {
    std::string s;
    for (int i = 0; i < count; ++i) s += fill;
    return Text(s, Origin::kInput);
  };
  Text out;
  if (align == '=') {
    out.AppendSlice(text, 0, sign_size);
    out.Append(filled(pad));
    out.AppendSlice(text, sign_size, text.size());
    return out;
  }
  const int left = align == '<' ? 0 : align == '^' ? pad / 2 : pad;
  out.Append(filled(left));
  out.Append(text);
  out.Append(filled(pad - left));
  return out;
}

std::string Grouped(const std::string& digits, char separator) {
  std::size_t whole = 0;
  while (whole < digits.size() && IsDigit(static_cast<unsigned char>(digits[whole]))) ++whole;
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && i < whole && (whole - i) % 3 == 0) out.push_back(separator);
    out.push_back(digits[i]);
  }
  return out;
}

std::string InBase(Integer value, unsigned base, bool upper) {
  std::string digits;
  do {
    const auto digit = static_cast<unsigned>(value % static_cast<Integer>(base));
    digits.push_back((upper ? "0123456789ABCDEF" : "0123456789abcdef")[digit]);
    value /= static_cast<Integer>(base);
  } while (value != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string Sign(bool negative, char sign) {
  return negative ? "-" : sign == '+' ? "+" : sign == ' ' ? " " : "";
}

Text FormatWhole(Integer value, const Spec& spec) {
  const Integer magnitude = value < 0 ? Negated(value) : value;
  std::string prefix = Sign(value < 0, spec.sign);
  std::string digits;
  switch (spec.type) {
    case 'x':
    case 'X':
      digits = InBase(magnitude, 16, spec.type == 'X');
      if (spec.alternate) prefix += spec.type == 'x' ? "0x" : "0X";
      break;
    case 'o':
      digits = InBase(magnitude, 8, false);
      if (spec.alternate) prefix += "0o";
      break;
    case 'b':
      digits = InBase(magnitude, 2, false);
      if (spec.alternate) prefix += "0b";
      break;
    default: digits = FormatInteger(magnitude);
  }
  while (static_cast<int>(digits.size()) < std::min(spec.precision, 1000)) digits.insert(0, "0");
  if (spec.comma || spec.underscore) digits = Grouped(digits, spec.comma ? ',' : '_');
  return Pad(Text(prefix + digits, Origin::kInput), spec, '>', prefix.size());
}

Text FormatReal(double value, const Spec& spec) {
  const bool negative = std::signbit(value) && !std::isnan(value);
  const double magnitude = std::fabs(value);
  const std::string prefix = Sign(negative, spec.sign);
  const int precision = std::min(spec.precision, 400);
  std::string digits;
  const bool upper = spec.type == 'E' || spec.type == 'F' || spec.type == 'G';
  const char type = static_cast<char>(spec.type | 0x20);
  const int places = precision < 0 ? 6 : precision;
  if (std::isnan(value) || std::isinf(value))
    digits = std::isnan(value) ? "nan" : "inf";
  else if (type == 'e')
    digits = fmt::format("{:.{}e}", magnitude, places);
  else if (type == 'f')
    digits = fmt::format("{:.{}f}", magnitude, places);
  else if (type == 'g')
    digits = fmt::format("{:.{}g}", magnitude, std::max(places, 1));
  else if (spec.type == '%')
    digits = fmt::format("{:.{}f}%", magnitude * 100, places);
  else if (precision < 0)
    digits = FormatDouble(magnitude);
  else {
    digits = fmt::format("{:.{}g}", magnitude, std::max(precision, 1));
    if (digits.find_first_of(".e") == std::string::npos) digits += ".0";
  }
  if (upper)
    std::transform(digits.begin(), digits.end(), digits.begin(),
                   [](char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c); });
  if (spec.comma || spec.underscore) digits = Grouped(digits, spec.comma ? ',' : '_');
  return Pad(Text(prefix + digits, Origin::kInput), spec, '>', prefix.size());
}

Text Shortened(Text text, int precision) {
  if (precision < 0) return text;
  const auto offsets = CodePointOffsets(text.bytes());
  if (static_cast<std::size_t>(precision) + 1 >= offsets.size()) return text;
  return text.Slice(0, offsets[static_cast<std::size_t>(precision)]);
}

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

Text PercentValue(Interpreter& interpreter, Spec spec, const Value& value) {
  switch (spec.type) {
    case 's': return Pad(Shortened(interpreter.TextOf(value), spec.precision), spec, '>', 0);
    case 'r':
    case 'a': {
      Text text;
      AppendRepr(value, text, interpreter.budget());
      return Pad(Shortened(std::move(text), spec.precision), spec, '>', 0);
    }
    case 'c': {
      if (const Str* s = value.AsStr(); s != nullptr && CountCodePoints(s->text.bytes()) == 1) {
        return Pad(s->text, spec, '>', 0);
      }
      const auto i = value.AsInteger();
      if (!i || *i < 0 || *i > 0x10ffff) FailInvalid("%c takes a character");
      std::string c;
      AppendCodePoint(static_cast<char32_t>(*i), c);
      return Pad(Text(c, Origin::kInput), spec, '>', 0);
    }
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o': {
      auto i = value.AsInteger();
      const bool decimal = spec.type == 'd' || spec.type == 'i' || spec.type == 'u';
      const auto* d = value.If<double>();
      if (!i && decimal && d != nullptr && std::fabs(*d) < 1e38) i = static_cast<Integer>(*d);
      if (!i) FailInvalid(fmt::format("%{} takes a number", spec.type));
      return FormatWhole(*i, spec);
    }
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G': {
      const auto d = value.AsDouble();
      if (!d) FailInvalid(fmt::format("%{} takes a number", spec.type));
      return FormatReal(*d, spec);
    }
    default: FailInvalid(fmt::format("unknown conversion %{}", spec.type));
  }
}

}  // namespace

Text FormatPercent(Interpreter& interpreter, const Text& format, const Value& values) {
  const List* tuple = values.AsList();
  if (tuple != nullptr && tuple->kind != ListKind::kTuple) tuple = nullptr;
  const Dict* dict = values.AsDict();
  std::size_t used = 0;
  bool named = false;
  const auto next = [&]() -> const Value& {
    if (tuple == nullptr ? used > 0 : used >= tuple->items.size()) {
      FailInvalid("not enough arguments for the format");
    }
    ++used;
    return tuple == nullptr ? values : tuple->items[used - 1];
  };
  Text out;
  const std::string_view text = format.bytes();
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t percent = std::min(text.find('%', i), text.size());
    out.AppendSlice(format, i, percent);
    i = percent + 1;
    if (percent == text.size()) break;
    if (i >= text.size()) FailInvalid("the format ends after %");
    if (text[i] == '%') {
      out.AppendSlice(format, i, i + 1);
      ++i;
      continue;
    }
    const Value* value = nullptr;
    if (text[i] == '(') {
      const std::size_t close = text.find(')', i);
      if (close == std::string_view::npos) FailInvalid("a key in a format is not closed");
      if (dict == nullptr) FailInvalid("this format takes a dictionary");
      value = dict->Find(text.substr(i + 1, close - i - 1));
      if (value == nullptr) FailInvalid("a key of the format is missing");
      named = true;
      i = close + 1;
    }
    Spec spec;
    bool left = false;
    for (; i < text.size() && std::string_view("-+ #0").find(text[i]) != std::string_view::npos;
         ++i) {
      if (text[i] == '-')
        left = true;
      else if (text[i] == '#')
        spec.alternate = true;
      else if (text[i] == '0')
        spec.zero = true;
      else if (spec.sign != '+')
        spec.sign = text[i];
    }
    const auto number = [&] {
      if (i >= text.size() || text[i] != '*') return ReadNumber(text, &i);
      ++i;
      const auto n = next().AsInteger();
      if (!n || *n < -kMaxWidth || *n > kMaxWidth) FailInvalid("* takes an integer");
      return static_cast<int>(*n);
    };
    spec.width = number();
    if (spec.width < 0) left = true;
    spec.width = std::abs(spec.width);
    if (i < text.size() && text[i] == '.') {
      ++i;
      spec.precision = std::max(number(), 0);
    }
    while (i < text.size() && (text[i] == 'l' || text[i] == 'h' || text[i] == 'L')) ++i;
    if (i >= text.size()) FailInvalid("the format ends inside a conversion");
    spec.type = text[i++];
    const bool textual =
        spec.type == 's' || spec.type == 'r' || spec.type == 'c' || spec.type == 'a';
    if (left) spec.align = '<';
    if (left || textual) spec.zero = false;
    out.Append(PercentValue(interpreter, spec, value != nullptr ? *value : next()));
  }
  const bool all = tuple != nullptr ? used == tuple->items.size() : used > 0 || named;
  const bool optional = dict != nullptr || (values.AsList() != nullptr && tuple == nullptr);
  if (!all && !(tuple == nullptr && optional)) {
    FailInvalid("not all arguments were used by the format");
  }
  return out;
}

namespace {

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

std::string StrfTime(std::string_view format, long long seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  if (gmtime_r(&time, &parts) == nullptr) FailInvalid("strftime_now: the clock is out of range");
  std::string out;
  // One conversion at a time, so that an empty result is not mistaken for a full buffer.
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 >= format.size()) {
      out.push_back(format[i]);
      continue;
    }
    std::string one = "%";
    ++i;
    if (format[i] == '-' && i + 1 < format.size()) one.push_back(format[i++]);
    one.push_back(format[i]);
    if (std::string_view("aAbBcdDeFgGhHIjmMnprRStTuUVwWxXyYCZz%").find(format[i]) ==
        std::string_view::npos) {
      if (format[i] == 'f') one = "000000";
      out += one;
      continue;
    }
    if (format[i] == 'Z' || format[i] == 'z') continue;  // local time without a zone
    char buffer[128];
    out.append(buffer, std::strftime(buffer, sizeof(buffer), one.c_str(), &parts));
  }
  return out;
}

}  // namespace cairn::model::jinja
