// SPDX-License-Identifier: Apache-2.0
// Reads safetensors files (docs/formats/safetensors.md) without trusting them.
//
// Any truncation or change of a byte gives an Error, or a valid index; never a crash, a hang or an
// allocation larger than the file warrants. Tensors lie in the file without overlaps and holes.
// Threads: immutable after Parse; const members from any thread.
// Owns: an index of the file. Bytes of tensors are views into the bytes handed in, which must
//   outlive the object.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tensor/format.h"

namespace cairn::model {

// Caps, far above any real file.
inline constexpr std::uint64_t kMostHeaderBytes = std::uint64_t{16} << 20;
inline constexpr std::size_t kMostSafeTensors = 1 << 20;
inline constexpr std::size_t kMostSafeDimensions = 8;

struct SafeTensor {
  std::string name;
  std::string dtype;                     // as the file spells it
  std::optional<tensor::Format> format;  // absent: a type that no GGUF file has
  std::vector<std::int64_t> shape;       // as stored: slowest first; empty for a scalar
  std::span<const std::byte> bytes;
};

class Safetensors {
 public:
  // Cost: a few ms for a header of 1 MiB; memory about 20 times the header's bytes while it runs.
  // Errors: kCorrupt, naming the tensor; kLimit (the caps above).
  [[nodiscard]] static Result<Safetensors> Parse(std::span<const std::byte> file);

  // By name.
  const std::vector<SafeTensor>& tensors() const { return tensors_; }
  const SafeTensor* Find(std::string_view name) const;

 private:
  std::vector<SafeTensor> tensors_;
};

}  // namespace cairn::model
