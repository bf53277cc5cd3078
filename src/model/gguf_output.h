// SPDX-License-Identifier: Apache-2.0
// Writes GGUF files, version 3 (docs/formats/gguf.md).
//
// Metadata is collected in memory; bytes of tensors are asked for while the file is written, so
// that a model of any size passes through. The same calls give the same bytes.
// Threads: one thread. Owns: metadata and names; what tensors are made from is the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/gguf.h"
#include "tensor/format.h"

namespace cairn::model {

using ByteSink = std::function<Result<void>(std::span<const std::byte>)>;

// A tensor's bytes as a file has them, wherever its rows lie.
[[nodiscard]] Result<void> WriteRows(const GgufTensor& tensor, const ByteSink& sink);

class GgufOutput {
 public:
  // One value of a key; a key is set once.
  void Set(std::string_view key, std::string_view value);
  void Set(std::string_view key, const char* value) { Set(key, std::string_view(value)); }
  void Set(std::string_view key, std::uint32_t value);
  void Set(std::string_view key, float value);
  void Set(std::string_view key, bool value);
  void SetStrings(std::string_view key, std::span<const std::string> values);
  void SetInts(std::string_view key, std::span<const std::int32_t> values);
  void SetFloats(std::string_view key, std::span<const float> values);

  // A value of another file.
  void Copy(std::string_view key, const GgufValue& value);

  // A tensor whose bytes `write` hands to its sink, in order and in pieces of any size. `shape` as
  // the file stores it: fastest first.
  using TensorWriter = std::function<Result<void>(const ByteSink& sink)>;
  // Requires a shape whose bytes were counted before (gguf.h, safetensors.h).
  void AddTensor(std::string name, tensor::Format format, std::vector<std::int64_t> shape,
                 TensorWriter write);

  // The whole file. Errors: those of `sink` and of the tensors' writers; kCorrupt where one of them
  // writes another number of bytes than its shape asks for.
  [[nodiscard]] Result<void> Write(const ByteSink& sink) const;

 private:
  struct Tensor {
    std::string name;
    tensor::Format format{};
    std::vector<std::int64_t> shape;
    std::uint64_t bytes = 0;
    TensorWriter write;
  };

  void Key(std::string_view key, GgufType type);
  void ArrayKey(std::string_view key, GgufType element, std::uint64_t count);

  std::uint64_t pairs_ = 0;
  std::vector<std::byte> metadata_;
  std::vector<Tensor> tensors_;
};

}  // namespace cairn::model
