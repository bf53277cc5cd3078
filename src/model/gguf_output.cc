// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_output.h"

#include <fmt/format.h>

#include <bit>
#include <utility>

#include "base/checked.h"

namespace cairn::model {
namespace {

static_assert(std::endian::native == std::endian::little);
constexpr std::uint64_t kAlignment = 32;  // of tensors, where the file names no other

using Bytes = std::vector<std::byte>;

void PutBytes(Bytes& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
template <typename T>
void Put(Bytes& out, T value) {
  PutBytes(out, std::as_bytes(std::span(&value, 1)));
}
void PutString(Bytes& out, std::string_view text) {
  Put<std::uint64_t>(out, text.size());
  PutBytes(out, std::as_bytes(std::span(text)));
}

}  // namespace

Result<void> WriteRows(const GgufTensor& tensor, const ByteSink& sink) {
  if (tensor.places == nullptr) return sink(tensor.bytes);
  for (std::int64_t row = 0; row < tensor.rows(); ++row) OR_RETURN(sink(tensor.Row(row)));
  return {};
}

void GgufOutput::Key(std::string_view key, GgufType type) {
  ++pairs_;
  PutString(metadata_, key);
  Put(metadata_, static_cast<std::uint32_t>(type));
}

void GgufOutput::ArrayKey(std::string_view key, GgufType element, std::uint64_t count) {
  Key(key, GgufType::kArray);
  Put(metadata_, static_cast<std::uint32_t>(element));
  Put(metadata_, count);
}

void GgufOutput::Set(std::string_view key, std::string_view value) {
  Key(key, GgufType::kString);
  PutString(metadata_, value);
}
void GgufOutput::Set(std::string_view key, std::uint32_t value) {
  Key(key, GgufType::kU32);
  Put(metadata_, value);
}
void GgufOutput::Set(std::string_view key, float value) {
  Key(key, GgufType::kF32);
  Put(metadata_, value);
}
void GgufOutput::Set(std::string_view key, bool value) {
  Key(key, GgufType::kBool);
  Put(metadata_, static_cast<std::uint8_t>(value ? 1 : 0));
}
void GgufOutput::SetStrings(std::string_view key, std::span<const std::string> values) {
  ArrayKey(key, GgufType::kString, values.size());
  for (const std::string& value : values) PutString(metadata_, value);
}
void GgufOutput::SetInts(std::string_view key, std::span<const std::int32_t> values) {
  ArrayKey(key, GgufType::kI32, values.size());
  PutBytes(metadata_, std::as_bytes(values));
}
void GgufOutput::SetFloats(std::string_view key, std::span<const float> values) {
  ArrayKey(key, GgufType::kF32, values.size());
  PutBytes(metadata_, std::as_bytes(values));
}

void GgufOutput::Copy(std::string_view key, const GgufValue& value) {
  if (value.type == GgufType::kArray) {
    ArrayKey(key, value.element, value.count);
  } else {
    Key(key, value.type);
  }
  if (value.type == GgufType::kString) Put<std::uint64_t>(metadata_, value.bytes.size());
  PutBytes(metadata_, value.bytes);
}

void GgufOutput::AddTensor(std::string name, tensor::Format format, std::vector<std::int64_t> shape,
                           TensorWriter write) {
  std::uint64_t bytes = tensor::RowBytes(format, static_cast<std::size_t>(shape[0]));
  for (std::size_t i = 1; i < shape.size(); ++i) bytes *= static_cast<std::uint64_t>(shape[i]);
  tensors_.push_back({std::move(name), format, std::move(shape), bytes, std::move(write)});
}

Result<void> GgufOutput::Write(const ByteSink& sink) const {
  Bytes head;
  PutBytes(head, std::as_bytes(std::span("GGUF", 4)));
  Put<std::uint32_t>(head, 3);
  Put<std::uint64_t>(head, tensors_.size());
  Put<std::uint64_t>(head, pairs_);
  PutBytes(head, metadata_);
  std::uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    PutString(head, tensor.name);
    Put(head, static_cast<std::uint32_t>(tensor.shape.size()));
    for (const std::int64_t size : tensor.shape) Put<std::uint64_t>(head, size);
    Put<std::uint32_t>(head, tensor::Traits(tensor.format).gguf_type);
    Put<std::uint64_t>(head, offset);
    offset += RoundUp(tensor.bytes, kAlignment);
  }
  head.resize(RoundUp<std::size_t>(head.size(), kAlignment));
  OR_RETURN(sink(head));
  constexpr std::byte kZeros[kAlignment] = {};
  for (const Tensor& tensor : tensors_) {
    std::uint64_t written = 0;
    OR_RETURN(tensor.write([&](std::span<const std::byte> bytes) -> Result<void> {
      written += bytes.size();
      return sink(bytes);
    }));
    if (written != tensor.bytes) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("tensor '{}' came with {} bytes, {} were expected", tensor.name,
                              written, tensor.bytes));
    }
    OR_RETURN(sink(std::span(kZeros).first(RoundUp(written, kAlignment) - written)));
  }
  return {};
}

}  // namespace cairn::model
