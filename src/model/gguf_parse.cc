// SPDX-License-Identifier: Apache-2.0
// The parser: one pass over the header, metadata and tensor index. Every read goes through Reader,
// which cannot pass the end of the file.
#include <fmt/format.h>

#include <bit>

#include "base/checked.h"
#include "base/printable.h"
#include "model/gguf.h"

namespace cairn::model {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read in place");

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"

// The smallest a pair (key of one byte, value of one) and a tensor's entry (name of one byte, one
// dimension) can be.
constexpr std::size_t kLeastPairBytes = 8 + 1 + 4 + 1;
constexpr std::size_t kLeastTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;
constexpr std::uint64_t kMostDimension = std::uint64_t{1} << 48;

// Bytes of a scalar; 0 for strings and arrays.
std::size_t ScalarBytes(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool: return 1;
    case GgufType::kU16:
    case GgufType::kI16: return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32: return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64: return 8;
    case GgufType::kString:
    case GgufType::kArray: return 0;
  }
  return 0;
}

class Reader {
 public:
  explicit Reader(std::span<const std::byte> file) : file_(file) {}

  std::size_t offset() const { return offset_; }
  std::size_t left() const { return file_.size() - offset_; }

  template <typename T>
  Result<T> Read(std::string_view field) {
    const std::span<const std::byte> bytes = OR_RETURN(Take(sizeof(T), field));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  Result<std::span<const std::byte>> Take(std::uint64_t bytes, std::string_view field) {
    if (bytes > left()) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{} needs {} bytes at offset {}, but the file ends after {}", field,
                              bytes, offset_, left()));
    }
    const auto taken = file_.subspan(offset_, bytes);
    offset_ += bytes;
    return taken;
  }
  Result<std::string_view> ReadString(std::string_view field, std::uint64_t most) {
    const std::uint64_t length = OR_RETURN(Read<std::uint64_t>(field));
    if (length > most && length <= left()) {
      return Fail(ErrorCode::kLimit,
                  fmt::format("{} has {} bytes, at most {} are allowed", field, length, most));
    }
    const auto bytes = OR_RETURN(Take(length, field));
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

 private:
  std::span<const std::byte> file_;
  std::size_t offset_ = 0;
};

}  // namespace

class GgufParser {
 public:
  explicit GgufParser(std::span<const std::byte> file) : file_(file), reader_(file) {}

  Result<Gguf> Run() {
    gguf_.file_bytes_ = file_.size();
    OR_RETURN(ReadHeader());
    gguf_.metadata_.reserve(metadata_count_);
    gguf_.keys_.Reserve(metadata_count_);
    for (std::uint64_t i = 0; i < metadata_count_; ++i) OR_RETURN(ReadPair());
    OR_RETURN(SortNames(gguf_.keys_, "metadata"));
    OR_RETURN(ReadAlignment());
    gguf_.tensors_.reserve(tensor_count_);
    gguf_.tensor_names_.Reserve(tensor_count_);
    for (std::uint64_t i = 0; i < tensor_count_; ++i) OR_RETURN(ReadTensor());
    OR_RETURN(SortNames(gguf_.tensor_names_, "tensor"));
    OR_RETURN(PlaceTensors());
    return std::move(gguf_);
  }

 private:
  Result<void> ReadHeader() {
    const auto magic = reader_.Read<std::uint32_t>("the magic number");
    if (!magic || *magic != kMagic) {
      return Fail(ErrorCode::kCorrupt, "not a GGUF file: it does not begin with 'GGUF'");
    }
    gguf_.version_ = OR_RETURN(reader_.Read<std::uint32_t>("the version"));
    if (gguf_.version_ == 0x02000000 || gguf_.version_ == 0x03000000) {
      return Fail(ErrorCode::kUnsupported,
                  "the file is big-endian; only little-endian GGUF is read");
    }
    if (gguf_.version_ != 2 && gguf_.version_ != 3) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("GGUF version {} is not supported, only 2 and 3", gguf_.version_));
    }
    tensor_count_ = OR_RETURN(reader_.Read<std::uint64_t>("the tensor count"));
    metadata_count_ = OR_RETURN(reader_.Read<std::uint64_t>("the metadata count"));
    OR_RETURN(CheckCount("tensor", tensor_count_, kLeastTensorBytes, kMostTensors));
    return CheckCount("metadata", metadata_count_, kLeastPairBytes, kMostMetadata);
  }

  // A count that the file cannot hold shows before anything is allocated for it.
  Result<void> CheckCount(std::string_view what, std::uint64_t count, std::size_t least_bytes,
                          std::uint64_t most) const {
    if (count > reader_.left() / least_bytes) {
      return Fail(
          ErrorCode::kCorrupt,
          fmt::format("the {} count {} is more than the file can hold; is the download complete?",
                      what, count));
    }
    if (count > most) {
      return Fail(ErrorCode::kLimit,
                  fmt::format("the {} count is {}, at most {} are allowed", what, count, most));
    }
    return {};
  }

  static Result<void> SortNames(GgufNames& names, std::string_view what) {
    const auto twice = names.Sort();
    if (!twice) return {};
    return Fail(ErrorCode::kCorrupt, fmt::format("{} '{}' appears twice", what, Printable(*twice)));
  }

  Result<GgufType> ReadType(std::string_view field) {
    const std::uint32_t type = OR_RETURN(reader_.Read<std::uint32_t>(field));
    if (type > static_cast<std::uint32_t>(GgufType::kF64)) {
      return Fail(ErrorCode::kCorrupt, fmt::format("{} is {}, not a metadata type", field, type));
    }
    return static_cast<GgufType>(type);
  }

  Result<void> ReadPair() {
    const std::string_view key = OR_RETURN(reader_.ReadString("a metadata key", kMostKeyBytes));
    if (key.empty()) return Fail(ErrorCode::kCorrupt, "a metadata key is empty");
    auto value = ReadTypedValue();
    if (!value) {
      return std::unexpected(
          std::move(value).error().Within(fmt::format("metadata '{}'", Printable(key))));
    }
    gguf_.keys_.Add(key, gguf_.metadata_.size());
    gguf_.metadata_.emplace_back(key, *value);
    return {};
  }

  Result<GgufValue> ReadTypedValue() { return ReadValue(OR_RETURN(ReadType("its type")), 0); }

  // Called for every element of an array of strings or arrays, so nothing here allocates unless it
  // fails.
  Result<GgufValue> ReadValue(GgufType type, int depth) {
    GgufValue value{.type = type, .bytes = {}, .element = {}, .count = 0};
    if (type == GgufType::kString) {
      const std::string_view text = OR_RETURN(reader_.ReadString("a string", file_.size()));
      value.bytes = std::as_bytes(std::span(text));
      return value;
    }
    if (type == GgufType::kArray) return ReadArray(value, depth);
    value.bytes = OR_RETURN(reader_.Take(ScalarBytes(type), "its value"));
    if (type == GgufType::kBool && static_cast<unsigned>(value.bytes[0]) > 1) {
      return Fail(ErrorCode::kCorrupt, fmt::format("its value is {}, 0 or 1 was expected",
                                                   static_cast<unsigned>(value.bytes[0])));
    }
    return value;
  }

  Result<GgufValue> ReadArray(GgufValue value, int depth) {
    if (depth >= kMostArrayDepth) {
      return Fail(ErrorCode::kLimit, fmt::format("arrays nest deeper than {}", kMostArrayDepth));
    }
    value.element = OR_RETURN(ReadType("the type of its elements"));
    value.count = OR_RETURN(reader_.Read<std::uint64_t>("the length of an array"));
    const std::size_t start = reader_.offset();
    if (const std::size_t size = ScalarBytes(value.element); size > 0) {
      const auto bytes = CheckedMul<std::uint64_t>(value.count, size);
      if (!bytes) return Fail(ErrorCode::kCorrupt, "the length of an array overflows");
      OR_RETURN(reader_.Take(*bytes, "an array"));
    } else {
      // Every element takes at least 8 bytes, so a lie ends at the end of the file.
      for (std::uint64_t i = 0; i < value.count; ++i) {
        OR_RETURN(ReadValue(value.element, depth + 1));
      }
    }
    value.bytes = file_.subspan(start, reader_.offset() - start);
    return value;
  }

  Result<void> ReadAlignment() {
    const std::int64_t alignment = OR_RETURN(gguf_.GetInt("general.alignment", 32));
    if (alignment < 8 || alignment > kMostAlignment ||
        !std::has_single_bit(static_cast<std::uint64_t>(alignment))) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("'general.alignment' is {}, a power of two from 8 to {} was expected",
                              alignment, kMostAlignment));
    }
    alignment_ = static_cast<std::uint64_t>(alignment);
    return {};
  }

  Result<void> ReadTensor() {
    GgufTensor tensor;
    tensor.name = OR_RETURN(reader_.ReadString("a tensor name", kMostNameBytes));
    if (tensor.name.empty()) return Fail(ErrorCode::kCorrupt, "a tensor name is empty");
    const std::string where = fmt::format("tensor '{}'", Printable(tensor.name));
    const std::uint32_t dims = OR_RETURN(reader_.Read<std::uint32_t>(where + ": its dimensions"));
    if (dims < 1 || dims > 4) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{} has {} dimensions, not 1 to 4", where, dims));
    }
    std::int64_t values = 1;
    for (std::uint32_t d = 0; d < dims; ++d) {
      const std::uint64_t size = OR_RETURN(reader_.Read<std::uint64_t>(where + ": a dimension"));
      const auto product = size == 0 || size > kMostDimension
                               ? std::nullopt
                               : CheckedMul<std::int64_t>(values, static_cast<std::int64_t>(size));
      if (!product) return Fail(ErrorCode::kCorrupt, where + " has an impossible shape");
      values = *product;
      tensor.shape.push_back(static_cast<std::int64_t>(size));
    }
    const std::uint32_t type = OR_RETURN(reader_.Read<std::uint32_t>(where + ": its format"));
    auto format = tensor::FormatOfGgufType(type);
    if (!format) return std::unexpected(std::move(format).error().Within(where));
    tensor.format = *format;
    tensor.offset = OR_RETURN(reader_.Read<std::uint64_t>(where + ": its offset"));
    gguf_.tensor_names_.Add(tensor.name, gguf_.tensors_.size());
    gguf_.tensors_.push_back(std::move(tensor));
    return {};
  }

  // Tensors may overlap: both are read only, nothing breaks.
  Result<void> PlaceTensors() {
    if (gguf_.tensors_.empty()) return {};
    const auto base = CheckedRoundUp<std::uint64_t>(reader_.offset(), alignment_);
    for (GgufTensor& tensor : gguf_.tensors_) {
      const std::string where = fmt::format("tensor '{}'", Printable(tensor.name));
      const tensor::FormatTraits& traits = tensor::Traits(tensor.format);
      if (tensor.cols() % traits.block_values != 0) {
        return Fail(ErrorCode::kCorrupt,
                    fmt::format("{} has rows of {} values, not a multiple of the {} of a {} block",
                                where, tensor.cols(), traits.block_values, traits.name));
      }
      // Fits: the number of values fits 63 bits and a block takes at most 8 bytes per value.
      const auto bytes = CheckedMul<std::uint64_t>(
          static_cast<std::uint64_t>(tensor.cols() / traits.block_values) *
              static_cast<std::uint64_t>(tensor.rows()),
          static_cast<std::uint64_t>(traits.block_bytes));
      if (tensor.offset % alignment_ != 0) {
        return Fail(ErrorCode::kCorrupt, fmt::format("{} lies at offset {}, not a multiple of {}",
                                                     where, tensor.offset, alignment_));
      }
      const auto begin = CheckedAdd<std::uint64_t>(*base, tensor.offset);
      if (!bytes || !begin || *begin > file_.size() || *bytes > file_.size() - *begin) {
        return Fail(
            ErrorCode::kCorrupt,
            fmt::format("{} reaches past the end of the file; is the download complete?", where));
      }
      tensor.offset = *begin;
      tensor.bytes = file_.subspan(*begin, *bytes);
    }
    return {};
  }

  std::span<const std::byte> file_;
  Reader reader_;
  Gguf gguf_;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t metadata_count_ = 0;
  std::uint64_t alignment_ = 32;
};

Result<Gguf> Gguf::Parse(std::span<const std::byte> file) { return GgufParser(file).Run(); }

}  // namespace cairn::model
