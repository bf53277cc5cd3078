// SPDX-License-Identifier: Apache-2.0
#include "testing/broken_files.h"

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "testing/gguf_writer.h"
#include "testing/random_blocks.h"

namespace cairn::testing {
namespace {

using model::GgufType;
using tensor::Format;

constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

// A tensor's entry, every field free to lie.
struct Entry {
  std::string name = "t";
  std::vector<std::uint64_t> dims = {32, 2};
  std::optional<std::uint32_t> dims_count = std::nullopt;
  std::uint32_t type = 2;  // Q4_0
  std::uint64_t offset = 0;
};

// A file in parts. Everything that is not set tells the truth.
struct File {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::uint64_t> tensor_count = std::nullopt, pair_count = std::nullopt;
  GgufBytes pairs;
  std::uint64_t pairs_put = 0;
  std::vector<Entry> entries;
  std::size_t data_bytes = 36;  // two rows of Q4_0

  // A pair up to its payload, which the caller appends to `pairs`.
  File& Pair(std::string_view key, std::uint32_t type) {
    pairs.PutString(key);
    pairs.Put(type);
    ++pairs_put;
    return *this;
  }
  File& Pair(std::string_view key, GgufType type) {
    return Pair(key, static_cast<std::uint32_t>(type));
  }
  template <typename T>
  File& Put(T value) {
    pairs.Put(value);
    return *this;
  }
  File& Alignment(std::uint32_t alignment) {
    return Pair("general.alignment", GgufType::kU32).Put(alignment);
  }

  std::vector<std::byte> Build() const {
    GgufBytes out;
    out.PutBytes(std::as_bytes(std::span(magic)));
    out.Put(version);
    out.Put(tensor_count.value_or(entries.size()));
    out.Put(pair_count.value_or(pairs_put));
    out.PutBytes(GgufBytes(pairs).bytes());
    for (const Entry& entry : entries) {
      out.PutString(entry.name);
      out.Put(entry.dims_count.value_or(static_cast<std::uint32_t>(entry.dims.size())));
      for (const std::uint64_t size : entry.dims) out.Put(size);
      out.Put(entry.type);
      out.Put(entry.offset);
    }
    if (!entries.empty()) {
      out.PadTo(32);
      out.bytes().resize(out.size() + data_bytes);
    }
    return out.bytes();
  }
};

File WithEntry(Entry entry) {
  File file;
  file.entries = {std::move(entry)};
  return file;
}

class List {
 public:
  void Add(std::string name, const File& file, ErrorCode expected, std::string mentions) {
    AddBytes(std::move(name), file.Build(), expected, std::move(mentions));
  }
  void AddBytes(std::string name, std::vector<std::byte> bytes, ErrorCode expected,
                std::string mentions) {
    files_.push_back({std::move(name), std::move(bytes), expected, std::move(mentions)});
  }
  std::vector<BrokenFile> Take() { return std::move(files_); }

 private:
  std::vector<BrokenFile> files_;
};

std::vector<std::byte> BytesOf(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

void AddHeaders(List& list) {
  using enum ErrorCode;
  list.AddBytes("Empty", {}, kCorrupt, "GGUF");
  list.AddBytes("OneByte", BytesOf("G"), kCorrupt, "GGUF");
  list.AddBytes("Picture", BytesOf("\x89PNG\r\n\x1a\n and more bytes of a picture"), kCorrupt,
                "GGUF");
  list.Add("Magic", File{.magic = "GGUX"}, kCorrupt, "GGUF");
  list.Add("MagicOfGgml", File{.magic = "lmgg"}, kCorrupt, "GGUF");
  for (const std::uint32_t version : {0u, 1u, 4u, 0xffffffffu}) {
    list.Add(fmt::format("Version{}", version), File{.version = version}, kUnsupported,
             fmt::format("version {}", version));
  }
  list.Add("BigEndian2", File{.version = 0x02000000}, kUnsupported, "big-endian");
  list.Add("BigEndian3", File{.version = 0x03000000}, kUnsupported, "big-endian");
  for (const std::uint64_t count : {kHuge, kHuge / 2 + 1, std::uint64_t{1} << 32}) {
    list.Add(fmt::format("TensorCount{}", count), File{.tensor_count = count}, kCorrupt,
             "tensor count");
    list.Add(fmt::format("MetadataCount{}", count), File{.pair_count = count}, kCorrupt,
             "metadata count");
  }
  File many{.pair_count = model::kMostMetadata + 1};
  many.pairs.bytes().resize(14 * (model::kMostMetadata + 1));
  list.Add("MetadataCountAboveCap", many, kLimit, "metadata count");
  File missing = WithEntry({});
  missing.tensor_count = 2;
  list.Add("TensorCountOneTooMany", missing, kCorrupt, "tensor");
}

void AddMetadata(List& list) {
  using enum ErrorCode;
  const auto pair = [](std::string_view key, auto type) { return File().Pair(key, type); };
  File key;
  key.Put(kHuge).Put<std::uint64_t>(0);
  key.pairs_put = 1;
  list.Add("KeyLongerThanFile", key, kCorrupt, "key");
  list.Add("KeyEmpty", pair("", GgufType::kU16).Put<std::uint16_t>(1), kCorrupt, "key");
  list.Add("KeyAboveCap", pair(std::string(65536, 'k'), GgufType::kU8).Put<std::uint8_t>(1), kLimit,
           "key");
  list.Add(
      "KeyTwice",
      pair("a", GgufType::kU8).Put<std::uint8_t>(1).Pair("a", GgufType::kU8).Put<std::uint8_t>(1),
      kCorrupt, "'a' appears twice");
  list.Add("TypeUnknown", pair("a", 13u).Put<std::uint64_t>(0), kCorrupt, "'a'");
  list.Add("TypeHuge", pair("a", 0xffffffffu).Put<std::uint64_t>(0), kCorrupt, "'a'");
  list.Add("ScalarCut", pair("a", GgufType::kU64).Put<std::uint16_t>(0), kCorrupt, "'a'");
  list.Add("BoolTwo", pair("a", GgufType::kBool).Put<std::uint8_t>(2), kCorrupt, "'a'");
  for (const std::uint64_t length : {std::uint64_t{9}, std::uint64_t{1} << 40, kHuge}) {
    list.Add(fmt::format("StringOf{}Bytes", length),
             pair("a", GgufType::kString).Put(length).Put<std::uint64_t>(0), kCorrupt, "'a'");
  }
}

void AddArrays(List& list) {
  using enum ErrorCode;
  const auto array = [](auto element, std::uint64_t count) {
    return File().Pair("a", GgufType::kArray).Put(element).Put(count);
  };
  list.Add("ArrayElementUnknown", array(99u, 0), kCorrupt, "'a'");
  list.Add("ArrayLongerThanFile", array(GgufType::kF32, 3).Put<std::uint64_t>(0), kCorrupt, "'a'");
  list.Add("ArrayLengthOverflows", array(GgufType::kU64, (kHuge >> 3) + 2).Put<std::uint64_t>(0),
           kCorrupt, "'a'");
  list.Add("ArrayOfBytesHuge", array(GgufType::kU8, kHuge), kCorrupt, "'a'");
  list.Add("ArrayOfStringsHuge", array(GgufType::kString, kHuge).Put<std::uint64_t>(0), kCorrupt,
           "'a'");
  list.Add("ArrayOfStringsOneCut",
           array(GgufType::kString, 2).Put<std::uint64_t>(0).Put<std::uint64_t>(5), kCorrupt,
           "'a'");
  list.Add("ArrayOfArraysHuge", array(GgufType::kArray, kHuge), kCorrupt, "'a'");
  File deep = array(GgufType::kArray, 1);
  for (int i = 0; i < 1000; ++i) deep.Put(GgufType::kArray).Put<std::uint64_t>(1);
  list.Add("ArrayNestedDeeply", deep, kLimit, "'a'");
}

void AddAlignments(List& list) {
  using enum ErrorCode;
  const std::uint32_t alignments[] = {0, 1, 3, 4, 33, 1u << 21, 1u << 31, 0xffffffff};
  for (const std::uint32_t alignment : alignments) {
    list.Add(fmt::format("Alignment{}", alignment), File().Alignment(alignment), kCorrupt,
             "general.alignment");
  }
  list.Add("AlignmentOfWrongType", File().Pair("general.alignment", GgufType::kF32).Put(32.0f),
           kCorrupt, "general.alignment");
  list.Add("AlignmentNegative",
           File().Pair("general.alignment", GgufType::kI32).Put<std::int32_t>(-32), kCorrupt,
           "general.alignment");
}

void AddTensors(List& list) {
  using enum ErrorCode;
  const auto add = [&list](std::string name, Entry entry, ErrorCode expected,
                           std::string mentions = "'t'") {
    list.Add(std::move(name), WithEntry(std::move(entry)), expected, std::move(mentions));
  };
  add("TensorNameEmpty", {.name = ""}, kCorrupt, "tensor name");
  add("TensorNameAboveCap", {.name = std::string(1025, 'n')}, kLimit, "tensor name");
  add("TensorWithoutDimensions", {.dims = {}}, kCorrupt);
  add("TensorOfFiveDimensions", {.dims = {32, 1, 1, 1, 1}}, kCorrupt);
  add("TensorOfHugeDimensions", {.dims_count = 0xffffffff}, kCorrupt);
  add("DimensionZero", {.dims = {32, 0}}, kCorrupt, "impossible shape");
  add("FirstDimensionZero", {.dims = {0, 2}}, kCorrupt, "impossible shape");
  add("DimensionHuge", {.dims = {32, kHuge}}, kCorrupt, "impossible shape");
  add("DimensionsOverflow64", {.dims = {1ull << 32, 1ull << 32}, .type = 0}, kCorrupt,
      "impossible shape");
  add("DimensionsOverflowToSmall", {.dims = {1ull << 33, 1ull << 31, 2}, .type = 0}, kCorrupt,
      "impossible shape");
  add("BytesOverflow", {.dims = {1ull << 31, 1ull << 31}, .type = 0}, kCorrupt);
  add("BytesOverflowOfF64", {.dims = {1ull << 30, 1ull << 32}, .type = 28}, kCorrupt);
  add("RowNotWholeBlocks", {.dims = {33, 1}}, kCorrupt);
  add("RowOfKNotWholeBlocks", {.dims = {32, 2}, .type = 14}, kCorrupt, "Q6_K");
  add("FormatKnownToOthers", {.type = 15}, kUnsupported, "Q8_K");
  add("FormatRemoved", {.type = 4}, kUnsupported, "4");
  add("FormatUnknown", {.type = 12345}, kUnsupported, "12345");
  File unaligned = WithEntry({.offset = 8});
  unaligned.data_bytes = 128;  // so that only the alignment is wrong
  list.Add("OffsetUnaligned", unaligned, kCorrupt, "not a multiple of 32");
  add("OffsetPastEnd", {.offset = 64}, kCorrupt);
  add("OffsetFarPastEnd", {.offset = 1ull << 40}, kCorrupt);
  add("OffsetOverflows", {.offset = kHuge - 31}, kCorrupt);
  add("DataOneByteShort", {.dims = {32, 3}}, kCorrupt);
  File twice = WithEntry({});
  twice.entries.push_back({});
  list.Add("TensorTwice", twice, kCorrupt, "'t' appears twice");
}

// The small file cut inside each of its sections. It ends with 76 bytes of data (36 of a, padding,
// 12 of b) after at most 31 bytes of padding and the 33 bytes of the entry of b.
void AddTruncations(List& list) {
  const std::vector<std::byte> whole = SmallValidGguf();
  const struct {
    const char* section;
    std::size_t bytes;
    const char* mentions;
  } cuts[] = {{"Version", 6, "version"},
              {"TensorCount", 12, "tensor count"},
              {"MetadataCount", 20, "metadata"},
              {"Metadata", 150, "metadata '"},
              {"TensorIndex", whole.size() - 76 - 32, "'b'"},
              {"Data", whole.size() - 1, "'b'"}};
  for (const auto& cut : cuts) {
    list.AddBytes(fmt::format("CutIn{}", cut.section),
                  {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut.bytes)},
                  ErrorCode::kCorrupt, cut.mentions);
  }
}

}  // namespace

std::vector<std::byte> SmallValidGguf() {
  GgufWriter writer;
  writer.Set("general.architecture", "llama");
  writer.Set("n", std::uint32_t{7});
  writer.Set("f", 0.5f);
  writer.Set("b", true);
  writer.SetStrings("words", {"one", "", "three"});
  writer.SetArray<std::int32_t>("ints", {1, -2, 3});
  writer.SetNested("nested", {{1, 2}, {}});
  writer.AddRandomTensor("a", Format::kQ4_0, {32, 2}, 1);
  writer.AddRandomTensor("b", Format::kF32, {3}, 1);
  return writer.Build();
}

std::vector<BrokenFile> BrokenGgufFiles() {
  List list;
  AddHeaders(list);
  AddMetadata(list);
  AddArrays(list);
  AddAlignments(list);
  AddTensors(list);
  AddTruncations(list);
  return list.Take();
}

}  // namespace cairn::testing
