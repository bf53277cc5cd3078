// SPDX-License-Identifier: Apache-2.0
// A set of Unicode scalar values.
// Threads: a plain value.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace cairn::grammar {

inline constexpr char32_t kLastCodePoint = 0x10FFFF;

struct CodePointRange {
  char32_t first = 0, last = 0;  // both belong to it
  bool operator==(const CodePointRange&) const = default;
};

class CodePoints {
 public:
  CodePoints() = default;
  CodePoints(std::initializer_list<CodePointRange> ranges);
  static CodePoints All();  // all scalar values: no surrogates

  // Surrogates and what is above the last code point are left out. Requires first <= last.
  void Add(char32_t first, char32_t last);
  void Add(const CodePoints& other);
  CodePoints Without(const CodePoints& other) const;
  CodePoints Complement() const { return All().Without(*this); }
  CodePoints Common(const CodePoints& other) const { return Without(other.Complement()); }
  // With the other case of every ASCII letter in it.
  CodePoints WithBothCases() const;

  bool empty() const { return ranges_.empty(); }
  bool Has(char32_t c) const;
  // Ascending, apart from one another.
  std::span<const CodePointRange> ranges() const { return ranges_; }
  bool operator==(const CodePoints&) const = default;

 private:
  void Normalise();
  std::vector<CodePointRange> ranges_;
};

// Appends the UTF-8 of a scalar value.
void AppendUtf8(char32_t c, std::string& out);

// The scalar value at the beginning of `text` and its bytes; 0 bytes where that is ill-formed.
struct ReadCodePoint {
  char32_t value = 0;
  std::size_t bytes = 0;
};
ReadCodePoint FirstCodePoint(std::string_view text);

// Up to four ranges of bytes, one after the other: the UTF-8 of a part of a range.
struct ByteSequence {
  struct Range {
    unsigned char first = 0, last = 0;
  };
  Range ranges[4];
  int size = 0;
};
// Sequences that together spell just the set, each byte sequence in one of them.
std::vector<ByteSequence> Utf8Of(const CodePoints& set);

}  // namespace cairn::grammar
