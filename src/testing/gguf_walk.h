// SPDX-License-Identifier: Apache-2.0
// Touches everything that a parsed file offers, so that a view past its end shows under a
// sanitizer. Header only: the fuzz targets do not link the testing room. Threads: as the Gguf.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/gguf.h"

namespace cairn::testing {

// A sum over every byte that `gguf` shows. Reads the first and last bytes of tensors only, for
// they may overlap and each be as long as the file.
inline std::uint64_t WalkGguf(const model::Gguf& gguf) {
  std::uint64_t sum = 0;
  const auto add = [&sum](std::span<const std::byte> bytes) {
    for (const std::byte b : bytes) sum = sum * 31 + static_cast<unsigned>(b);
  };
  for (const auto& [key, value] : gguf.metadata()) {
    add(std::as_bytes(std::span(key)));
    add(value.bytes);
    sum += gguf.GetInt(key).value_or(1) != 0;
    sum += gguf.GetFloat(key).has_value();
    sum += gguf.GetBool(key).has_value();
    sum += gguf.GetString(key).value_or("").size();
    if (const auto strings = gguf.GetStrings(key)) {
      for (const std::string_view text : *strings) add(std::as_bytes(std::span(text)));
    }
    if (const auto floats = gguf.GetFloats(key)) add(std::as_bytes(std::span(*floats)));
    if (const auto ints = gguf.GetInts(key)) add(std::as_bytes(std::span(*ints)));
  }
  for (const model::GgufTensor& tensor : gguf.tensors()) {
    add(std::as_bytes(std::span(tensor.name)));
    sum += static_cast<std::uint64_t>(tensor.cols() * tensor.rows());
    sum += gguf.FindTensor(tensor.name) == &tensor;
    if (!tensor.bytes.empty()) {
      sum +=
          static_cast<unsigned>(tensor.bytes.front()) + static_cast<unsigned>(tensor.bytes.back());
    }
  }
  return sum;
}

}  // namespace cairn::testing
