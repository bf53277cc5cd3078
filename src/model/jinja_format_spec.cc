// SPDX-License-Identifier: Apache-2.0
#include "model/jinja_format_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/jinja_builtins.h"

namespace cairn::model::jinja {
namespace {

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

}  // namespace

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

}  // namespace cairn::model::jinja
