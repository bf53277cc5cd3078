// SPDX-License-Identifier: Apache-2.0
#include "model/utf8.h"

namespace cairn::model {

Utf8Piece NextUtf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {1, true, false};
  if (first < 0xc2 || first > 0xf4) return {1, false, false};
  // The second byte's range excludes overlong forms, surrogates and what is past U+10FFFF.
  unsigned char low = 0x80, high = 0xbf;
  if (first == 0xe0) low = 0xa0;
  if (first == 0xed) high = 0x9f;
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;
  const std::size_t length = Utf8Bytes(first);
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= text.size()) return {i, false, true};
    if (byte(i) < low || byte(i) > high) return {i, false, false};
    low = 0x80;
    high = 0xbf;
  }
  return {length, true, false};
}

std::uint32_t CharacterAt(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return first;
  const std::size_t bytes = Utf8Bytes(first);
  std::uint32_t character = first & (0x7fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    character = character << 6 | (static_cast<unsigned char>(text[i]) & 0x3fu);
  }
  return character;
}

void AppendUtf8(std::uint32_t character, std::string& out) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (character < 0x80) return put(character);
  const int more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  put((0xf00u >> (more + 1) & 0xffu) | character >> (6 * more));
  for (int i = more - 1; i >= 0; --i) put(0x80 | (character >> (6 * i) & 0x3f));
}

void AppendWellFormed(std::string_view text, std::string& out) {
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Piece piece = NextUtf8(text.substr(at));
    if (!piece.well_formed) {
      out.append(text, start, at - start);
      out.append(kReplacement);
      start = at + piece.bytes;
    }
    at += piece.bytes;
  }
  out.append(text, start, text.size() - start);
}

}  // namespace cairn::model
