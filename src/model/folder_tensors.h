// SPDX-License-Identifier: Apache-2.0
// The tensors of a folder under the names of a GGUF file.
// Threads: used by one thread. Owns: names and what of the values does not lie in the folder's
// files as it is needed; tensors() are views into this and into those files.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/checkpoint.h"
#include "model/folder_kinds.h"
#include "model/folder_metadata.h"
#include "model/gguf.h"

namespace cairn::model {

class FolderTensors {
 public:
  // Of all the folder's tensors, in their order. Errors: kUnsupported and kCorrupt, naming the
  // tensor as the folder does.
  [[nodiscard]] Result<void> AddAll(const Checkpoint& from, const FolderKind& kind);
  [[nodiscard]] Result<void> Add(const ComputedVector& vector);
  // After the last Add; once. Errors: kCorrupt where an expert is missing. Offsets are those in
  // `file`, which spans the folder's weights.
  [[nodiscard]] Result<std::vector<GgufTensor>> Finish(std::span<const std::byte> file);

 private:
  // A tensor on its way: a vector, a matrix, or the matrices of experts.
  struct Made {
    std::string_view name;
    tensor::Format format{};
    std::vector<std::int64_t> shape;                   // fastest first, without the experts
    std::vector<std::span<const std::byte>> matrices;  // by expert; empty ones are missing
    bool of_experts = false;
    std::int64_t halved_heads = 0;
  };

  [[nodiscard]] Result<void> AddTensor(const SafeTensor& tensor, const PlacedName& placed,
                                       const Checkpoint& from, const FolderKind& kind);
  [[nodiscard]] Result<void> AddVector(const SafeTensor& tensor, std::string name,
                                       std::int64_t halved_heads, bool plus_one);
  [[nodiscard]] Result<void> AddMatrices(const SafeTensor& tensor, const PlacedName& placed,
                                         std::int64_t halved_heads);
  [[nodiscard]] Result<void> AddPart(const SafeTensor& tensor, const std::string& name,
                                     std::optional<std::uint32_t> expert, std::int64_t first_row,
                                     std::int64_t rows, std::int64_t halved_heads);
  std::span<const std::byte> Aligned(const SafeTensor& tensor);

  std::vector<Made> made_;
  std::map<std::string, std::size_t, std::less<>> by_name_;  // into made_; holds the names
  std::deque<std::vector<float>> floats_;
  std::deque<std::vector<std::byte>> copies_;
  std::deque<TensorPlaces> places_;
};

}  // namespace cairn::model
