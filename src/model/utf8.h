// SPDX-License-Identifier: Apache-2.0
// UTF-8 as Unicode's table 3-7 defines it.
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::model {

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// What stands at the beginning of a non-empty text.
struct Utf8Piece {
  std::size_t bytes = 0;  // of the character, or of the maximal ill-formed piece
  bool well_formed = false;
  bool unfinished = false;  // ill-formed only because the text ends here
};
Utf8Piece NextUtf8(std::string_view text);

// Bytes of a well-formed character by its first byte.
constexpr std::size_t Utf8Bytes(unsigned char first) {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

// The first character of a non-empty well-formed text.
std::uint32_t CharacterAt(std::string_view text);
void AppendUtf8(std::uint32_t character, std::string& out);

// Appends `text` with ill-formed pieces replaced by U+FFFD.
void AppendWellFormed(std::string_view text, std::string& out);

}  // namespace cairn::model
