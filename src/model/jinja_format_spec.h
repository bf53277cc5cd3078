// SPDX-License-Identifier: Apache-2.0
// One conversion of Python's % or str.format: its specification, and values written by it.
// Threads: pure functions. Errors: Failure (kLimit for widths beyond kMaxWidth).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "model/jinja_value.h"

namespace cairn::model::jinja {

inline constexpr int kMaxWidth = 100'000;  // of a field, and of a precision

struct Spec {
  std::string fill = " ";
  char align = '\0';
  char sign = '-';
  bool alternate = false, zero = false, comma = false, underscore = false;
  int width = 0;
  int precision = -1;
  char type = '\0';
};

// Digits at `*at`, which moves past them; 0 where there are none.
int ReadNumber(std::string_view text, std::size_t* at);
// The text at the specification's width. `fallback`: the alignment where none is given;
// `sign_size`: the bytes that stay in front of zeros.
Text Pad(Text text, const Spec& spec, char fallback, std::size_t sign_size);
// The first `precision` characters; all of them where it is negative.
Text Shortened(Text text, int precision);
Text FormatWhole(Integer value, const Spec& spec);
Text FormatReal(double value, const Spec& spec);

}  // namespace cairn::model::jinja
