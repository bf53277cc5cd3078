// SPDX-License-Identifier: Apache-2.0
#include "tensor/format.h"

#include <fmt/format.h>

namespace cairn::tensor {
namespace {

struct KnownType {
  std::uint32_t type;
  std::string_view name;
};
// Types of ggml that no code here reads yet, for a better message.
constexpr KnownType kKnownTypes[] = {
    {9, "Q8_1"},     {10, "Q2_K"},  {11, "Q3_K"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"},
    {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {23, "IQ4_XS"},
    {29, "IQ1_M"},   {34, "TQ1_0"}, {35, "TQ2_0"},  {39, "MXFP4"},
};

}  // namespace

Result<Format> FormatOfGgufType(std::uint32_t type) {
  for (const FormatTraits& traits : kFormats) {
    if (traits.gguf_type == type) return traits.format;
  }
  for (const KnownType& known : kKnownTypes) {
    if (known.type == type) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("format {} (type {}) is not supported yet", known.name, type));
    }
  }
  return Fail(ErrorCode::kUnsupported, fmt::format("format with type number {} is unknown", type));
}

}  // namespace cairn::tensor
