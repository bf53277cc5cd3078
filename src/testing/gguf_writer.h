// SPDX-License-Identifier: Apache-2.0
// Makes GGUF files in memory, for tests. The writer keeps to docs/formats/gguf.md and knows nothing
// of the reader; files that lie are made in broken_files.h from the same GgufBytes.
//
//   GgufWriter writer;
//   writer.Set("general.architecture", "llama");
//   writer.Set("llama.block_count", std::uint32_t{2});
//   writer.SetArray<float>("tokenizer.ggml.scores", scores);
//   writer.AddRandomTensor("token_embd.weight", Format::kQ4_K, {256, 32}, seed);
//   std::vector<std::byte> file = writer.Build();
//
// Threads: one thread. Owns: everything added is copied.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/gguf.h"
#include "tensor/format.h"

namespace cairn::testing {

// Little-endian bytes, appended.
class GgufBytes {
 public:
  template <typename T>
  requires std::is_trivially_copyable_v<T>
  void Put(T value) { Append(&value, sizeof(T)); }
  void PutString(std::string_view text) {
    Put<std::uint64_t>(text.size());
    PutBytes(std::as_bytes(std::span(text)));
  }
  void PutBytes(std::span<const std::byte> bytes) { Append(bytes.data(), bytes.size()); }
  void PadTo(std::size_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
  }
  std::size_t size() const { return bytes_.size(); }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  void Append(const void* from, std::size_t size);

  std::vector<std::byte> bytes_;
};

// The metadata type that stores a T.
template <typename T>
constexpr model::GgufType GgufTypeOf() {
  using model::GgufType;
  if constexpr (std::same_as<T, std::uint8_t>) return GgufType::kU8;
  if constexpr (std::same_as<T, std::int8_t>) return GgufType::kI8;
  if constexpr (std::same_as<T, std::uint16_t>) return GgufType::kU16;
  if constexpr (std::same_as<T, std::int16_t>) return GgufType::kI16;
  if constexpr (std::same_as<T, std::uint32_t>) return GgufType::kU32;
  if constexpr (std::same_as<T, std::int32_t>) return GgufType::kI32;
  if constexpr (std::same_as<T, std::uint64_t>) return GgufType::kU64;
  if constexpr (std::same_as<T, std::int64_t>) return GgufType::kI64;
  if constexpr (std::same_as<T, float>) return GgufType::kF32;
  if constexpr (std::same_as<T, double>) return GgufType::kF64;
  if constexpr (std::same_as<T, bool>) return GgufType::kBool;
}

class GgufWriter {
 public:
  // `version` 2 or 3; the bytes differ in that number only.
  explicit GgufWriter(std::uint32_t version = 3) : version_(version) {}

  // A scalar, stored as the type of `value` says: Set("x", std::uint32_t{1}), Set("x", 1.0f).
  template <typename T>
  requires std::is_arithmetic_v<T>
  void Set(std::string_view key, T value) {
    Key(key, GgufTypeOf<T>());
    metadata_.Put(value);
  }
  void Set(std::string_view key, std::string_view value);
  void Set(std::string_view key, const char* value) { Set(key, std::string_view(value)); }

  template <typename T>
  requires std::is_arithmetic_v<T>
  void SetArray(std::string_view key, std::span<const T> values) {
    ArrayKey(key, GgufTypeOf<T>(), values.size());
    metadata_.PutBytes(std::as_bytes(values));
  }
  template <typename T>
  void SetArray(std::string_view key, const std::vector<T>& values) {
    SetArray<T>(key, std::span<const T>(values));
  }
  void SetStrings(std::string_view key, std::span<const std::string> values);
  void SetStrings(std::string_view key, const std::vector<std::string>& values) {
    SetStrings(key, std::span<const std::string>(values));
  }
  // An array of arrays of u32.
  void SetNested(std::string_view key, const std::vector<std::vector<std::uint32_t>>& values);
  // A pair whose payload is given as it is.
  void SetRaw(std::string_view key, model::GgufType type, std::span<const std::byte> payload);

  // Writes "general.alignment" and keeps to it. A power of two; call at most once.
  void SetAlignment(std::uint32_t alignment);

  // `shape` as the file stores it, fastest dimension first; `stored` are the bytes of the whole
  // tensor in `format` and must be as long as the shape says (CAIRN_CHECK).
  void AddTensor(std::string_view name, tensor::Format format, std::vector<std::int64_t> shape,
                 std::vector<std::byte> stored);
  // Random weights (random_blocks.h), seeded by `seed` and the name.
  void AddRandomTensor(std::string_view name, tensor::Format format,
                       std::vector<std::int64_t> shape, std::uint64_t seed, double spread = 1.0);
  // Given values in F32, F16 or BF16.
  void AddFloats(std::string_view name, std::vector<std::int64_t> shape,
                 std::span<const float> values, tensor::Format format = tensor::Format::kF32);

  std::vector<std::byte> Build() const;

 private:
  struct Tensor {
    std::string name;
    tensor::Format format;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> stored;
  };

  void Key(std::string_view key, model::GgufType type);
  void ArrayKey(std::string_view key, model::GgufType element, std::uint64_t count);

  std::uint32_t version_;
  std::uint32_t alignment_ = 32;
  std::uint64_t pairs_ = 0;
  GgufBytes metadata_;
  std::vector<Tensor> tensors_;
};

// A file of an architecture with those numbers ("block_count", ...), an epsilon of RMS norms and
// f32 tensors of random values, by name and shape, behind what `writer` has already.
std::vector<std::byte> RandomFile(const std::string& architecture,
                                  const std::map<std::string, std::uint32_t>& numbers,
                                  const std::map<std::string, std::vector<std::int64_t>>& tensors,
                                  GgufWriter writer = GgufWriter());

}  // namespace cairn::testing
