// SPDX-License-Identifier: Apache-2.0
#include "testing/gguf_writer.h"

#include "base/check.h"
#include "testing/random_blocks.h"

namespace cairn::testing {
namespace {

std::size_t Values(const std::vector<std::int64_t>& shape) {
  std::size_t values = 1;
  for (const std::int64_t size : shape) values *= static_cast<std::size_t>(size);
  return values;
}

// FNV-1a: tensors of one seed differ by their names.
std::uint64_t HashOf(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

void GgufBytes::Append(const void* from, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(from);
  bytes_.insert(bytes_.end(), bytes, bytes + size);
}

void GgufWriter::Key(std::string_view key, model::GgufType type) {
  metadata_.PutString(key);
  metadata_.Put(type);
  ++pairs_;
}

void GgufWriter::ArrayKey(std::string_view key, model::GgufType element, std::uint64_t count) {
  Key(key, model::GgufType::kArray);
  metadata_.Put(element);
  metadata_.Put(count);
}

void GgufWriter::Set(std::string_view key, std::string_view value) {
  Key(key, model::GgufType::kString);
  metadata_.PutString(value);
}

void GgufWriter::SetStrings(std::string_view key, std::span<const std::string> values) {
  ArrayKey(key, model::GgufType::kString, values.size());
  for (const std::string& value : values) metadata_.PutString(value);
}

void GgufWriter::SetNested(std::string_view key,
                           const std::vector<std::vector<std::uint32_t>>& values) {
  ArrayKey(key, model::GgufType::kArray, values.size());
  for (const std::vector<std::uint32_t>& inner : values) {
    metadata_.Put(model::GgufType::kU32);
    metadata_.Put<std::uint64_t>(inner.size());
    metadata_.PutBytes(std::as_bytes(std::span(inner)));
  }
}

void GgufWriter::SetRaw(std::string_view key, model::GgufType type,
                        std::span<const std::byte> payload) {
  Key(key, type);
  metadata_.PutBytes(payload);
}

void GgufWriter::SetAlignment(std::uint32_t alignment) {
  Set("general.alignment", alignment);
  alignment_ = alignment;
}

void GgufWriter::AddTensor(std::string_view name, tensor::Format format,
                           std::vector<std::int64_t> shape, std::vector<std::byte> stored) {
  CAIRN_CHECK(stored.size() == tensor::RowBytes(format, Values(shape)));
  tensors_.push_back({std::string(name), format, std::move(shape), std::move(stored)});
}

void GgufWriter::AddRandomTensor(std::string_view name, tensor::Format format,
                                 std::vector<std::int64_t> shape, std::uint64_t seed,
                                 double spread) {
  auto stored = RandomBlocks(format, Values(shape), seed ^ HashOf(name), spread);
  AddTensor(name, format, std::move(shape), std::move(stored));
}

void GgufWriter::AddFloats(std::string_view name, std::vector<std::int64_t> shape,
                           std::span<const float> values, tensor::Format format) {
  AddTensor(name, format, std::move(shape), StoreFloats(format, values));
}

std::vector<std::byte> GgufWriter::Build() const {
  GgufBytes file;
  file.PutBytes(std::as_bytes(std::span("GGUF", 4)));
  file.Put(version_);
  file.Put<std::uint64_t>(tensors_.size());
  file.Put(pairs_);
  file.PutBytes(GgufBytes(metadata_).bytes());
  std::uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    file.PutString(tensor.name);
    file.Put(static_cast<std::uint32_t>(tensor.shape.size()));
    for (const std::int64_t size : tensor.shape) file.Put<std::uint64_t>(size);
    file.Put(tensor::Traits(tensor.format).gguf_type);
    file.Put(offset);
    offset = (offset + tensor.stored.size() + alignment_ - 1) / alignment_ * alignment_;
  }
  for (const Tensor& tensor : tensors_) {
    file.PadTo(alignment_);
    file.PutBytes(tensor.stored);
  }
  return std::move(file.bytes());
}

std::vector<std::byte> RandomFile(const std::string& architecture,
                                  const std::map<std::string, std::uint32_t>& numbers,
                                  const std::map<std::string, std::vector<std::int64_t>>& tensors,
                                  GgufWriter writer) {
  writer.Set("general.architecture", architecture);
  for (const auto& [key, value] : numbers) writer.Set(architecture + "." + key, value);
  writer.Set(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
  for (const auto& [name, shape] : tensors) {
    writer.AddRandomTensor(name, tensor::Format::kF32, shape, 1);
  }
  return writer.Build();
}

}  // namespace cairn::testing
