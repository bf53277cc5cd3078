// SPDX-License-Identifier: Apache-2.0
// Reads GGUF files, version 2 and 3 (docs/formats/gguf.md), without trusting them.
//
// Every count, offset, length, string and product is checked against the file before it is used.
// Any truncation or change of a byte gives an Error that names the field, or a valid model; never a
// crash, a hang or an allocation larger than the file warrants.
// Threads: immutable after Parse; const members from any thread.
// Owns: an index of the file. Keys, strings and tensor bytes are views into the bytes handed in,
//   which must outlive the object.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tensor/format.h"

namespace cairn::model {

// Numbers of the file format; never renumbered.
enum class GgufType : std::uint32_t {
  kU8 = 0,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};
std::string_view GgufTypeName(GgufType type);

// Caps, far above any real file.
inline constexpr std::uint64_t kMostMetadata = 65536;  // key and value pairs
inline constexpr std::uint64_t kMostTensors = 1 << 20;
inline constexpr std::uint64_t kMostKeyBytes = 65535;  // as the format says
inline constexpr std::uint64_t kMostNameBytes = 1024;  // of a tensor
inline constexpr int kMostArrayDepth = 4;
inline constexpr std::uint32_t kMostAlignment = 1 << 20;  // bytes

// A metadata value: its type and its checked bytes. For arrays `element` and `count` hold.
struct GgufValue {
  GgufType type{};
  std::span<const std::byte> bytes;  // payload: scalars; a string's text; an array's elements
  GgufType element{};
  std::uint64_t count = 0;
};

// Where the rows of a tensor lie that is not stored as GGUF files have it (folder.h). One of the
// two members says so.
struct TensorPlaces {
  // Those of a tensor of experts, each by itself.
  std::vector<std::span<const std::byte>> matrices;
  // Above 0: of each of so many heads the even rows lie first, then the odd ones.
  std::int64_t halved_heads = 0;
};

struct GgufTensor {
  std::string_view name;
  tensor::Format format{};
  std::vector<std::int64_t> shape;   // as stored: fastest first; 1 to 4 dimensions, each above 0
  std::size_t offset = 0;            // in the file
  std::span<const std::byte> bytes;  // the rows one after the other; empty where `places` has them
  const TensorPlaces* places = nullptr;  // null in every GGUF file

  std::int64_t cols() const { return shape[0]; }
  std::int64_t rows() const {
    std::int64_t rows = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) rows *= shape[i];
    return rows;
  }
  std::size_t row_bytes() const {
    return tensor::RowBytes(format, static_cast<std::size_t>(cols()));
  }
  std::size_t stored_bytes() const { return row_bytes() * static_cast<std::size_t>(rows()); }
  // A row, wherever it lies, of a tensor that is a matrix or several.
  std::span<const std::byte> Row(std::int64_t row) const;
};

// Names of a file, sorted. A hash table would be quicker to fill, but names chosen to collide make
// it quadratic; a sort has no such file.
class GgufNames {
 public:
  void Reserve(std::size_t count) { names_.reserve(count); }
  void Add(std::string_view name, std::size_t index) { names_.emplace_back(name, index); }
  // Makes Find work. Returns a name that was added twice, or nothing.
  [[nodiscard]] std::optional<std::string_view> Sort();
  std::optional<std::size_t> Find(std::string_view name) const;

 private:
  std::vector<std::pair<std::string_view, std::size_t>> names_;
};

class Gguf {
 public:
  // Cost: a few ms for a vocabulary of 262,144; at most 8 bytes allocated per byte of the file's
  // index (usually far less), and nothing for its tensors and string arrays.
  // Errors: kCorrupt, kUnsupported (version, byte order, tensor format), kLimit (the caps above).
  [[nodiscard]] static Result<Gguf> Parse(std::span<const std::byte> file);

  // One model of several files ("-00001-of-00003"): the first has the metadata, tensors come from
  // all of them, at offsets in `whole`, which spans the files. Requires at least one part. Errors:
  // those of Parse, naming the part; kCorrupt where the parts do not belong together.
  [[nodiscard]] static Result<Gguf> ParseParts(std::span<const std::byte> whole,
                                               std::span<const std::span<const std::byte>> parts);

  // A model that lies in no GGUF file: `index` is one without tensors, `tensors` lie elsewhere and
  // are checked already; `kept` holds what of all this nobody else does. Errors: those of Parse;
  // kCorrupt for a name that is there twice.
  [[nodiscard]] static Result<Gguf> Join(std::span<const std::byte> index,
                                         std::vector<GgufTensor> tensors,
                                         std::shared_ptr<const void> kept);

  std::uint32_t version() const { return version_; }
  std::size_t file_bytes() const { return file_bytes_; }  // of all parts
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* FindTensor(std::string_view name) const;
  // Keys in the order of the file.
  const std::vector<std::pair<std::string_view, GgufValue>>& metadata() const { return metadata_; }
  const GgufValue* Find(std::string_view key) const;

  // Scalars. Any integer type is accepted where the value fits. Errors: kCorrupt, naming the key,
  // what was found and what was expected.
  [[nodiscard]] Result<std::int64_t> GetInt(std::string_view key) const;
  [[nodiscard]] Result<double> GetFloat(std::string_view key) const;
  [[nodiscard]] Result<bool> GetBool(std::string_view key) const;
  [[nodiscard]] Result<std::string_view> GetString(std::string_view key) const;
  // The same, `fallback` where the key is absent.
  [[nodiscard]] Result<std::int64_t> GetInt(std::string_view key, std::int64_t fallback) const;
  [[nodiscard]] Result<double> GetFloat(std::string_view key, double fallback) const;
  [[nodiscard]] Result<bool> GetBool(std::string_view key, bool fallback) const;
  [[nodiscard]] Result<std::string_view> GetString(std::string_view key,
                                                   std::string_view fallback) const;

  // Arrays. Strings are views into the file.
  [[nodiscard]] Result<std::vector<std::string_view>> GetStrings(std::string_view key) const;
  [[nodiscard]] Result<std::vector<float>> GetFloats(std::string_view key) const;
  [[nodiscard]] Result<std::vector<std::int32_t>> GetInts(std::string_view key) const;
  // Of booleans, or of integers that are 0 or not.
  [[nodiscard]] Result<std::vector<bool>> GetBools(std::string_view key) const;

 private:
  Gguf() = default;
  friend class GgufParser;

  std::uint32_t version_ = 0;
  std::size_t file_bytes_ = 0;
  std::vector<std::pair<std::string_view, GgufValue>> metadata_;
  GgufNames keys_;
  std::vector<GgufTensor> tensors_;
  GgufNames tensor_names_;
  std::shared_ptr<const void> kept_;  // null for files
};

}  // namespace cairn::model
