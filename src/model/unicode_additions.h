// SPDX-License-Identifier: Apache-2.0
// Letters and numbers that came after Unicode 14, the version of the distribution's PCRE2 10.42, as
// members of a pattern's character class.
//
// The models' own tokenizers know Unicode 16 (Oniguruma inside `tokenizers` 0.23); its digit
// splitting knows 17 (Rust's standard library). Where PCRE2 knows more, these say nothing new.
// Found and checked character by character with scripts/compare_tokenizers.py --every-character.
// Threads: constants.
#pragma once

// Unicode 15, 15.1 and 16.
#define CAIRN_NEW_LETTERS                                                                    \
  R"(\x{1C89}-\x{1C8A}\x{A7CB}-\x{A7CD}\x{A7DA}-\x{A7DC}\x{105C0}-\x{105F3})"                \
  R"(\x{10D4A}-\x{10D65}\x{10D6F}-\x{10D85}\x{10EC2}-\x{10EC4}\x{1123F}-\x{11240})"          \
  R"(\x{11380}-\x{11389}\x{1138B}\x{1138E}\x{11390}-\x{113B5}\x{113B7}\x{113D1}\x{113D3})"   \
  R"(\x{11BC0}-\x{11BE0}\x{11F02}\x{11F04}-\x{11F10}\x{11F12}-\x{11F33}\x{1342F})"           \
  R"(\x{13441}-\x{13446}\x{13460}-\x{143FA}\x{16100}-\x{1611D}\x{16D40}-\x{16D6C}\x{18CFF})" \
  R"(\x{1B132}\x{1B155}\x{1DF25}-\x{1DF2A}\x{1E030}-\x{1E06D}\x{1E4D0}-\x{1E4EB})"           \
  R"(\x{1E5D0}-\x{1E5ED}\x{1E5F0}\x{2B739}\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF})"

#define CAIRN_NEW_NUMBERS                                                           \
  R"(\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}\x{11F50}-\x{11F59})" \
  R"(\x{16130}-\x{16139}\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1D2C0}-\x{1D2D3})" \
  R"(\x{1E4F0}-\x{1E4F9}\x{1E5F1}-\x{1E5FA})"

// Unicode 17; numbers only.
#define CAIRN_NEWEST_NUMBERS R"(\x{11DE0}-\x{11DE9}\x{16FF4}-\x{16FF6})"
