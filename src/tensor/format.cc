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
    {9, "Q8_1"},
    {15, "Q8_K"},
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
