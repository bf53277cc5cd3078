// SPDX-License-Identifier: Apache-2.0
// Element types and quantised block formats that files hold, one traits entry each. Readers,
// kernels, reports and tests are driven from this table.
// Threads: constants and free functions without state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"

namespace cairn::tensor {

enum class Format : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kQ2_K,
  kQ3_K,
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4,
  kNVFP4,
  kTQ1_0,
  kTQ2_0,
  kIQ1_S,
  kIQ1_M,
  kIQ2_XXS,
  kIQ2_XS,
  kIQ2_S,
  kIQ3_XXS,
  kIQ3_S,
  kI8,
  kI16,
  kI32,
  kI64,
  kF64,
};

struct FormatTraits {
  Format format;
  std::string_view name;    // as users know it
  std::uint32_t gguf_type;  // number in GGUF files; never renumbered
  int block_values;         // values per block; rows are whole blocks
  int block_bytes;
  bool has_matmul;  // a weight of this format can be multiplied
  bool has_minima;  // its blocks have a minimum beside the scale
};

inline constexpr std::array kFormats{
    FormatTraits{Format::kF32, "F32", 0, 1, 4, true, false},
    FormatTraits{Format::kF16, "F16", 1, 1, 2, true, false},
    FormatTraits{Format::kBF16, "BF16", 30, 1, 2, true, false},
    FormatTraits{Format::kQ4_0, "Q4_0", 2, 32, 18, true, false},
    FormatTraits{Format::kQ4_1, "Q4_1", 3, 32, 20, true, true},
    FormatTraits{Format::kQ5_0, "Q5_0", 6, 32, 22, true, false},
    FormatTraits{Format::kQ5_1, "Q5_1", 7, 32, 24, true, true},
    FormatTraits{Format::kQ8_0, "Q8_0", 8, 32, 34, true, false},
    FormatTraits{Format::kQ4_K, "Q4_K", 12, 256, 144, true, true},
    FormatTraits{Format::kQ5_K, "Q5_K", 13, 256, 176, true, true},
    FormatTraits{Format::kQ6_K, "Q6_K", 14, 256, 210, true, false},
    FormatTraits{Format::kQ2_K, "Q2_K", 10, 256, 84, true, true},
    FormatTraits{Format::kQ3_K, "Q3_K", 11, 256, 110, true, false},
    FormatTraits{Format::kIQ4_NL, "IQ4_NL", 20, 32, 18, true, false},
    FormatTraits{Format::kIQ4_XS, "IQ4_XS", 23, 256, 136, true, false},
    FormatTraits{Format::kMXFP4, "MXFP4", 39, 32, 17, true, false},
    FormatTraits{Format::kNVFP4, "NVFP4", 40, 64, 36, true, false},
    FormatTraits{Format::kTQ1_0, "TQ1_0", 34, 256, 54, true, false},
    FormatTraits{Format::kTQ2_0, "TQ2_0", 35, 256, 66, true, false},
    FormatTraits{Format::kIQ1_S, "IQ1_S", 19, 256, 50, true, false},
    FormatTraits{Format::kIQ1_M, "IQ1_M", 29, 256, 56, true, false},
    FormatTraits{Format::kIQ2_XXS, "IQ2_XXS", 16, 256, 66, true, false},
    FormatTraits{Format::kIQ2_XS, "IQ2_XS", 17, 256, 74, true, false},
    FormatTraits{Format::kIQ2_S, "IQ2_S", 22, 256, 82, true, false},
    FormatTraits{Format::kIQ3_XXS, "IQ3_XXS", 18, 256, 98, true, false},
    FormatTraits{Format::kIQ3_S, "IQ3_S", 21, 256, 110, true, false},
    FormatTraits{Format::kI8, "I8", 24, 1, 1, false, false},
    FormatTraits{Format::kI16, "I16", 25, 1, 2, false, false},
    FormatTraits{Format::kI32, "I32", 26, 1, 4, false, false},
    FormatTraits{Format::kI64, "I64", 27, 1, 8, false, false},
    FormatTraits{Format::kF64, "F64", 28, 1, 8, false, false},
};

constexpr const FormatTraits& Traits(Format format) {
  for (const FormatTraits& traits : kFormats) {
    if (traits.format == format) return traits;
  }
  return kFormats[0];  // not reached: every enumerator has its entry (format_test.cc)
}

// The format of a GGUF type number. Errors: kUnsupported, with the number and, where ggml knows it,
// the name.
[[nodiscard]] Result<Format> FormatOfGgufType(std::uint32_t type);

// Bytes of a row of `values`, which must be a multiple of the block.
constexpr std::size_t RowBytes(Format format, std::size_t values) {
  const FormatTraits& t = Traits(format);
  return values / static_cast<std::size_t>(t.block_values) *
         static_cast<std::size_t>(t.block_bytes);
}

}  // namespace cairn::tensor
