// SPDX-License-Identifier: Apache-2.0
#include "model/jinja_text.h"

#include <cstring>
#include <utility>

namespace cairn::model::jinja {

void FailInvalid(std::string message) {
  throw Failure{Error{ErrorCode::kInvalidArgument, std::move(message)}};
}
void FailLimit(std::string message) { throw Failure{Error{ErrorCode::kLimit, std::move(message)}}; }

void Text::Append(std::string_view bytes, Origin origin) {
  if (bytes.size() > kMaxStringBytes - bytes_.size()) FailLimit("a string grew beyond 64 MB");
  bytes_.append(bytes);
  origins_.append(bytes.size(), static_cast<char>(origin));
}

void Text::AppendSlice(const Text& other, std::size_t begin, std::size_t end) {
  if (end <= begin) return;
  if (end - begin > kMaxStringBytes - bytes_.size()) FailLimit("a string grew beyond 64 MB");
  bytes_.append(other.bytes_, begin, end - begin);
  origins_.append(other.origins_, begin, end - begin);
}

Text Text::Slice(std::size_t begin, std::size_t end) const {
  Text out;
  out.AppendSlice(*this, begin, end);
  return out;
}

char32_t NextCodePoint(std::string_view text, std::size_t* at) {
  const auto byte = [&](std::size_t i) -> char32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) & 0x3fU : 0U;
  };
  const std::size_t i = *at;
  const char32_t first = static_cast<unsigned char>(text[i]);
  if (first < 0x80) {
    *at += 1;
    return first;
  }
  if (first < 0xe0) {
    *at += 2;
    return (first & 0x1fU) << 6 | byte(i + 1);
  }
  if (first < 0xf0) {
    *at += 3;
    return (first & 0x0fU) << 12 | byte(i + 1) << 6 | byte(i + 2);
  }
  *at += 4;
  return (first & 0x07U) << 18 | byte(i + 1) << 12 | byte(i + 2) << 6 | byte(i + 3);
}

void AppendCodePoint(char32_t c, std::string& out) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = 0xfffd;
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xc0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xe0 | c >> 12);
    } else {
      put(0xf0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3f));
    }
    put(0x80 | (c >> 6 & 0x3f));
  }
  put(0x80 | (c & 0x3f));
}

std::size_t CountCodePoints(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0U) != 0x80U ? 1 : 0;
  return count;
}

std::vector<std::size_t> CodePointOffsets(std::string_view text) {
  std::vector<std::size_t> offsets;
  offsets.reserve(text.size() + 1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0U) != 0x80U) offsets.push_back(i);
  }
  offsets.push_back(text.size());
  return offsets;
}

std::size_t FindFirst(std::string_view text, std::string_view part, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  // std::string_view::find is quadratic for such texts as a...a and a...ab; memmem is not.
  const void* found = ::memmem(text.data() + from, text.size() - from, part.data(), part.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

// Knuth, Morris and Pratt, from the end: borders[n] is the longest end of the last n bytes of
// `part` that begins them too.
std::size_t FindLast(std::string_view text, std::string_view part) {
  if (part.empty()) return text.size();
  if (part.size() > text.size()) return std::string_view::npos;
  const auto wanted = [&](std::size_t matched) { return part[part.size() - 1 - matched]; };
  std::vector<std::uint32_t> borders(part.size() + 1);
  for (std::size_t n = 1, border = 0; n < part.size(); ++n) {
    while (border > 0 && wanted(n) != wanted(border)) border = borders[border];
    if (wanted(n) == wanted(border)) ++border;
    borders[n + 1] = static_cast<std::uint32_t>(border);
  }
  std::size_t matched = 0;
  for (std::size_t at = text.size(); at-- > 0;) {
    while (matched > 0 && text[at] != wanted(matched)) matched = borders[matched];
    if (text[at] == wanted(matched)) ++matched;
    if (matched == part.size()) return at;
  }
  return std::string_view::npos;
}

bool IsSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

bool IsDigit(char32_t c) { return c >= '0' && c <= '9'; }

namespace {

// Blocks where letters alternate, upper case first (even) or at odd code points.
bool AlternatesEven(char32_t c) {
  return (c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) || (c >= 0x14a && c <= 0x177) ||
         (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f) ||
         (c >= 0x1e00 && c <= 0x1e95) || (c >= 0x1ea0 && c <= 0x1eff) || (c >= 0x218 && c <= 0x21f);
}
bool AlternatesOdd(char32_t c) {
  return (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e) || (c >= 0x1cd && c <= 0x1dc);
}

}  // namespace

char32_t ToLower(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if ((c >= 0xc0 && c <= 0xde && c != 0xd7)) return c + 32;
  if (c == 0x178) return 0xff;
  if (AlternatesEven(c)) return c | 1U;
  if (AlternatesOdd(c)) return c % 2 == 1 ? c + 1 : c;
  if (c == 0x386) return 0x3ac;
  if (c >= 0x388 && c <= 0x38a) return c + 37;
  if (c == 0x38c) return 0x3cc;
  if (c == 0x38e || c == 0x38f) return c + 63;
  if (c >= 0x391 && c <= 0x3ab && c != 0x3a2) return c + 32;
  if (c >= 0x410 && c <= 0x42f) return c + 32;
  if (c >= 0x400 && c <= 0x40f) return c + 80;
  if (c >= 0x531 && c <= 0x556) return c + 48;
  if (c >= 0xff21 && c <= 0xff3a) return c + 32;
  return c;
}

char32_t ToUpper(char32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  if (c == 0xb5) return 0x39c;
  if (c == 0xff) return 0x178;
  if (c >= 0xe0 && c <= 0xfe && c != 0xf7) return c - 32;
  if (c == 0x131) return 'I';
  if (AlternatesEven(c)) return c & ~char32_t{1};
  if (AlternatesOdd(c)) return c % 2 == 0 ? c - 1 : c;
  if (c == 0x3ac) return 0x386;
  if (c >= 0x3ad && c <= 0x3af) return c - 37;
  if (c == 0x3cc) return 0x38c;
  if (c == 0x3cd || c == 0x3ce) return c - 63;
  if (c == 0x3c2) return 0x3a3;
  if (c >= 0x3b1 && c <= 0x3cb) return c - 32;
  if (c >= 0x430 && c <= 0x44f) return c - 32;
  if (c >= 0x450 && c <= 0x45f) return c - 80;
  if (c >= 0x561 && c <= 0x586) return c - 48;
  if (c >= 0xff41 && c <= 0xff5a) return c - 32;
  return c;
}

bool IsUpper(char32_t c) { return ToLower(c) != c; }
bool IsLower(char32_t c) { return ToUpper(c) != c || c == 0xdf || c == 0xaa || c == 0xba; }

bool IsAlpha(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  if (c < 0xc0) return c == 0xaa || c == 0xb5 || c == 0xba;
  if (c == 0xd7 || c == 0xf7 || IsSpace(c)) return false;
  return !((c >= 0x2000 && c <= 0x206f) || (c >= 0x20a0 && c <= 0x20cf) ||
           (c >= 0x2190 && c <= 0x2bff) || (c >= 0x3000 && c <= 0x3004) ||
           (c >= 0x3008 && c <= 0x3020) || (c >= 0xfe00 && c <= 0xfe6f) ||
           (c >= 0xff00 && c <= 0xff20) || (c >= 0x1f000 && c <= 0x1faff) ||
           (c >= 0xe000 && c <= 0xf8ff) || c >= 0xe0000 || c == 0xfffd);
}

bool IsWord(char32_t c) { return IsAlpha(c) || IsDigit(c) || c == '_'; }

namespace {

// Whether the capital sigma that ends at `end` ends a word.
bool FinalSigma(std::string_view text, std::size_t end) {
  std::size_t before = end - 2;
  while (before > 0) {
    --before;
    if ((static_cast<unsigned char>(text[before]) & 0xc0U) != 0x80U) break;
  }
  std::size_t at = before;
  if (end == 2 || !IsAlpha(NextCodePoint(text, &at))) return false;
  return end >= text.size() || !IsAlpha(NextCodePoint(text, &end));
}

Text MapCase(const Text& text, char32_t (*map)(char32_t), bool upper) {
  Text out;
  std::string piece;
  for (std::size_t i = 0; i < text.size();) {
    const Origin origin = text.OriginAt(i);
    const char32_t c = NextCodePoint(text.bytes(), &i);
    piece.clear();
    if (upper && c == 0xdf) {
      piece = "SS";
    } else if (!upper && c == 0x3a3 && FinalSigma(text.bytes(), i)) {
      AppendCodePoint(0x3c2, piece);
    } else {
      AppendCodePoint(map(c), piece);
    }
    out.Append(piece, origin);
  }
  return out;
}

}  // namespace

Text Upper(const Text& text) { return MapCase(text, ToUpper, true); }
Text Lower(const Text& text) { return MapCase(text, ToLower, false); }

}  // namespace cairn::model::jinja
