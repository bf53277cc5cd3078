// SPDX-License-Identifier: Apache-2.0
#include "model/folder_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/printable.h"
#include "kernels/route.h"
#include "tensor/dequantise.h"

namespace cairn::model {
namespace {

using tensor::Format;

bool IsFloats(const SafeTensor& tensor) {
  return tensor.format == Format::kF32 || tensor.format == Format::kF16 ||
         tensor.format == Format::kBF16;
}

std::unexpected<Error> Unfit(const SafeTensor& tensor, std::string_view what) {
  std::string shape;
  for (const std::int64_t size : tensor.shape) shape += fmt::format(" {}", size);
  return Fail(ErrorCode::kUnsupported, fmt::format("tensor '{}' ({}{}) {}", Printable(tensor.name),
                                                   tensor.dtype, shape, what));
}

// Heads whose rows lie as halves and are pairs in the file; 0: another tensor.
Result<std::int64_t> HalvedHeads(std::string_view name, const Checkpoint& from,
                                 const FolderKind& kind) {
  if (!kind.turned) return 0;
  const std::uint32_t heads = OR_RETURN(from.Count("num_attention_heads"));
  if (name.contains(".attn_q.")) return heads;
  if (name.contains(".attn_k.")) return OR_RETURN(from.CountOr("num_key_value_heads", heads));
  return 0;
}

// Routers choose; what they add up must not be rounded. The gate of a shared expert is one row.
bool StaysFloat(std::string_view name) { return name.contains(".ffn_gate_inp"); }

}  // namespace

Result<void> FolderTensors::AddAll(const Checkpoint& from, const FolderKind& kind) {
  // A pooler without a classifier behind it only served the training.
  const bool scores = from.Find("classifier.weight") != nullptr;
  const bool tied = OR_RETURN(from.Flag("tie_word_embeddings", false));
  for (const SafeTensor* tensor : from.tensors()) {
    PlacedName placed = OR_RETURN(PlaceName(kind, tensor->name));
    if (placed.name.empty() || (placed.name.starts_with("cls.") && !scores)) continue;
    if (kind.decoder && tied && placed.name == "output.weight") continue;
    OR_RETURN(AddTensor(*tensor, placed, from, kind));
  }
  const bool untied = kind.decoder && from.Value("tie_word_embeddings") != nullptr && !tied;
  if (untied && !by_name_.contains("output.weight")) {
    return Fail(ErrorCode::kCorrupt,
                "no tensor is 'lm_head.weight', which config.json ('tie_word_embeddings' is false) "
                "asks for");
  }
  return {};
}

Result<void> FolderTensors::AddTensor(const SafeTensor& tensor, const PlacedName& placed,
                                      const Checkpoint& from, const FolderKind& kind) {
  const bool shaped = !tensor.shape.empty() && tensor.shape.size() <= 3 &&
                      std::ranges::all_of(tensor.shape, [](std::int64_t n) { return n > 0; });
  if (!shaped || (!IsFloats(tensor) && tensor.format != Format::kF64)) {
    return Unfit(tensor, "is not supported: F32, F16, BF16 and F64 with 1 to 3 sizes are");
  }
  const std::int64_t halved = OR_RETURN(HalvedHeads(placed.name, from, kind));
  const std::int64_t rows = tensor.shape.size() < 2 ? tensor.shape[0] : tensor.shape.end()[-2];
  if (halved > 0 && (tensor.shape.size() > 2 || rows % (2 * halved) != 0)) {
    return Unfit(tensor, fmt::format("has no even number of rows for each of {} heads", halved));
  }
  if (tensor.shape.size() == 1 || (tensor.shape.size() == 2 && StaysFloat(placed.name))) {
    if (!placed.second.empty() || placed.expert) return Unfit(tensor, "is no matrix");
    const bool plus_one = kind.norm_is_added && placed.name.ends_with("norm.weight");
    return AddVector(tensor, placed.name, halved, plus_one);
  }
  if (!IsFloats(tensor)) return Unfit(tensor, "is not supported: matrices are F32, F16 or BF16");
  return AddMatrices(tensor, placed, halved);
}

// Values in f32: vectors, and matrices that stay so.
Result<void> FolderTensors::AddVector(const SafeTensor& tensor, std::string name,
                                      std::int64_t halved_heads, bool plus_one) {
  std::size_t count = 1;  // fits: the file holds them
  for (const std::int64_t size : tensor.shape) count *= static_cast<std::size_t>(size);
  std::vector<float> values(count);
  if (tensor.format == Format::kF64) {
    for (std::size_t i = 0; i < count; ++i) {
      double value;
      std::memcpy(&value, tensor.bytes.data() + i * sizeof value, sizeof value);
      values[i] = static_cast<float>(plus_one ? value + 1 : value);
    }
  } else {
    OR_RETURN(tensor::Dequantise(*tensor.format, Aligned(tensor), values));
    if (plus_one) {
      for (float& value : values) value += 1;
    }
  }
  if (halved_heads > 0) {  // a bias
    const TensorPlaces places{.matrices = {}, .halved_heads = halved_heads};
    const GgufTensor column{.name = {},
                            .format = Format::kF32,
                            .shape = {1, static_cast<std::int64_t>(count)},
                            .bytes = std::as_bytes(std::span(values)),
                            .places = &places};
    std::vector<float> ordered(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(&ordered[i], column.Row(static_cast<std::int64_t>(i)).data(), sizeof(float));
    }
    values = std::move(ordered);
  }
  Made made{.format = Format::kF32, .shape = {tensor.shape.rbegin(), tensor.shape.rend()}};
  // Files leave out sizes of 1 at the end.
  while (made.shape.size() > 1 && made.shape.back() == 1) made.shape.pop_back();
  floats_.push_back(std::move(values));
  made.matrices.push_back(std::as_bytes(std::span(floats_.back())));
  const auto [at, fresh] = by_name_.emplace(std::move(name), made_.size());
  if (!fresh) return Unfit(tensor, "is there under another name too");
  made.name = at->first;
  made_.push_back(std::move(made));
  return {};
}

Result<void> FolderTensors::AddMatrices(const SafeTensor& tensor, const PlacedName& placed,
                                        std::int64_t halved_heads) {
  const std::int64_t rows = tensor.shape.end()[-2];
  const bool stacked = tensor.shape.size() == 3;
  const std::int64_t matrices = stacked ? tensor.shape[0] : 1;
  const std::int64_t parts = placed.second.empty() ? 1 : 2;
  if (stacked &&
      (placed.expert || matrices > kernels::kMostExperts || !placed.name.contains("_exps."))) {
    return Unfit(tensor, "has more sizes than were expected");
  }
  if (rows % parts != 0)
    return Unfit(tensor, "has an odd number of rows, two halves were expected");
  for (std::int64_t m = 0; m < matrices; ++m) {
    std::optional<std::uint32_t> expert = placed.expert;
    if (stacked) expert = static_cast<std::uint32_t>(m);
    for (std::int64_t part = 0; part < parts; ++part) {
      OR_RETURN(AddPart(tensor, part == 0 ? placed.name : placed.second, expert,
                        m * rows + part * (rows / parts), rows / parts, halved_heads));
    }
  }
  return {};
}

Result<void> FolderTensors::AddPart(const SafeTensor& tensor, const std::string& name,
                                    std::optional<std::uint32_t> expert, std::int64_t first_row,
                                    std::int64_t rows, std::int64_t halved_heads) {
  const std::vector<std::int64_t> shape{tensor.shape.back(), rows};
  const auto [at, fresh] = by_name_.emplace(name, made_.size());
  if (fresh) {
    made_.push_back({.name = at->first,
                     .format = *tensor.format,
                     .shape = shape,
                     .matrices = {},
                     .of_experts = expert.has_value(),
                     .halved_heads = halved_heads});
  }
  Made& made = made_[at->second];
  if (made.format != *tensor.format || made.shape != shape ||
      made.of_experts != expert.has_value()) {
    return Unfit(tensor, "differs in type or shape from those of the other experts");
  }
  const std::uint32_t which = expert.value_or(0);
  if (which >= kernels::kMostExperts) {
    return Unfit(tensor, fmt::format("is of more than {} experts", kernels::kMostExperts));
  }
  if (which >= made.matrices.size()) made.matrices.resize(which + 1);
  if (!made.matrices[which].empty()) return Unfit(tensor, "is there under another name too");
  const std::size_t row_bytes =
      tensor::RowBytes(made.format, static_cast<std::size_t>(tensor.shape.back()));
  made.matrices[which] = Aligned(tensor).subspan(static_cast<std::size_t>(first_row) * row_bytes,
                                                 static_cast<std::size_t>(rows) * row_bytes);
  return {};
}

// Values are read in place, which a file that was made with care allows.
std::span<const std::byte> FolderTensors::Aligned(const SafeTensor& tensor) {
  const auto size = static_cast<std::size_t>(tensor::Traits(*tensor.format).block_bytes);
  if (reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % size == 0) return tensor.bytes;
  return copies_.emplace_back(tensor.bytes.begin(), tensor.bytes.end());
}

Result<void> FolderTensors::Add(const ComputedVector& vector) {
  const auto [at, fresh] = by_name_.emplace(vector.name, made_.size());
  if (!fresh) {
    return Fail(ErrorCode::kCorrupt, fmt::format("two tensors would be '{}'", vector.name));
  }
  floats_.push_back(vector.values);
  made_.push_back({.name = at->first,
                   .format = Format::kF32,
                   .shape = {static_cast<std::int64_t>(vector.values.size())},
                   .matrices = {std::as_bytes(std::span(floats_.back()))}});
  return {};
}

Result<std::vector<GgufTensor>> FolderTensors::Finish(std::span<const std::byte> file) {
  std::vector<GgufTensor> tensors;
  tensors.reserve(made_.size());
  const std::less<const std::byte*> before;
  for (Made& made : made_) {
    GgufTensor tensor{.name = made.name, .format = made.format, .shape = std::move(made.shape)};
    const auto missing =
        std::ranges::find_if(made.matrices, [](const auto& bytes) { return bytes.empty(); });
    if (missing != made.matrices.end()) {
      return Fail(ErrorCode::kCorrupt, fmt::format("no tensor is expert {} of '{}'",
                                                   missing - made.matrices.begin(), made.name));
    }
    const std::span<const std::byte> first = made.matrices[0];
    const bool in_file =
        !before(first.data(), file.data()) && before(first.data(), file.data() + file.size());
    tensor.offset = in_file ? static_cast<std::size_t>(first.data() - file.data()) : file.size();
    if (made.of_experts) {
      tensor.shape.push_back(static_cast<std::int64_t>(made.matrices.size()));
      tensor.places = &places_.emplace_back(
          TensorPlaces{.matrices = std::move(made.matrices), .halved_heads = 0});
    } else {
      tensor.bytes = first;
      if (made.halved_heads > 0) {
        tensor.places =
            &places_.emplace_back(TensorPlaces{.matrices = {}, .halved_heads = made.halved_heads});
      }
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace cairn::model
