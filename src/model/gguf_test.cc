// SPDX-License-Identifier: Apache-2.0
// The reader against files of the gguf package (tests/golden/gguf/), files of our own writer, and
// against lies: one file per class, every truncation, every flipped bit.
#include "model/gguf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/mapped_file.h"
#include "tensor/dequantise.h"
#include "testing/allocation_meter.h"
#include "testing/broken_files.h"
#include "testing/gguf_walk.h"
#include "testing/gguf_writer.h"

namespace cairn::model {
namespace {

using tensor::Format;
using testing::AllocationMeter;
using testing::GgufWriter;

// What parsing may allocate: a multiple of the file, and something for messages.
std::size_t AllowedBytes(std::size_t file_bytes) { return 8 * file_bytes + 4096; }

Result<Gguf> Parse(std::span<const std::byte> file) { return Gguf::Parse(file); }

class GgufPackageFileTest : public ::testing::Test {
 protected:
  GgufPackageFileTest()
      : file_(MappedFile::Open(CAIRN_SOURCE_DIR "/tests/golden/gguf/package.gguf")),
        gguf_(Parse(file_->bytes())) {}

  void SetUp() override { ASSERT_TRUE(gguf_.has_value()) << gguf_.error().message; }

  Result<MappedFile> file_;
  Result<Gguf> gguf_;
};

TEST_F(GgufPackageFileTest, ScalarsOfEveryTypeAreRead) {
  EXPECT_EQ(gguf_->version(), 3u);
  EXPECT_EQ(gguf_->GetString("general.architecture").value(), "llama");
  EXPECT_EQ(gguf_->GetInt("t.u8").value(), 200);
  EXPECT_EQ(gguf_->GetInt("t.i8").value(), -100);
  EXPECT_EQ(gguf_->GetInt("t.u16").value(), 60000);
  EXPECT_EQ(gguf_->GetInt("t.i16").value(), -30000);
  EXPECT_EQ(gguf_->GetInt("t.u32").value(), 4000000000);
  EXPECT_EQ(gguf_->GetInt("t.i32").value(), -2000000000);
  EXPECT_EQ(gguf_->GetInt("t.i64").value(), -(std::int64_t{1} << 62));
  EXPECT_EQ(gguf_->GetFloat("t.f32").value(), static_cast<double>(0.1f));
  EXPECT_EQ(gguf_->GetFloat("t.f64").value(), 0.1);
  EXPECT_TRUE(gguf_->GetBool("t.true").value());
  EXPECT_FALSE(gguf_->GetBool("t.false").value());
  EXPECT_EQ(gguf_->GetString("t.string").value(), "gr\xc3\xbc\xc3\x9f dich");
}

TEST_F(GgufPackageFileTest, IntegerThatDoesNotFitIsAnError) {
  const auto value = gguf_->GetInt("t.u64");
  ASSERT_FALSE(value.has_value());
  EXPECT_EQ(value.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(value.error().message.find("t.u64"), std::string::npos);
}

TEST_F(GgufPackageFileTest, ArraysAreRead) {
  EXPECT_EQ(gguf_->GetStrings("t.strings").value(),
            (std::vector<std::string_view>{"a", "bc", "\xe2\x82\xac"}));
  EXPECT_EQ(gguf_->GetInts("t.ints").value(), (std::vector<std::int32_t>{1, -2, 3}));
  EXPECT_EQ(gguf_->GetFloats("t.floats").value(), (std::vector<float>{0.5f, -1.5f}));
  const GgufValue* bools = gguf_->Find("t.bools");
  ASSERT_NE(bools, nullptr);
  EXPECT_EQ(bools->element, GgufType::kBool);
  EXPECT_EQ(bools->count, 2u);
}

TEST_F(GgufPackageFileTest, TensorsLieWhereThePackagePutThem) {
  ASSERT_EQ(gguf_->tensors().size(), 4u);
  const GgufTensor* f32 = gguf_->FindTensor("f32");
  ASSERT_NE(f32, nullptr);
  EXPECT_EQ(f32->shape, (std::vector<std::int64_t>{3, 2}));
  EXPECT_EQ(f32->cols(), 3);
  EXPECT_EQ(f32->rows(), 2);
  std::vector<float> values(6);
  ASSERT_TRUE(tensor::Dequantise(f32->format, f32->bytes, values));
  EXPECT_EQ(values, (std::vector<float>{0, 1, 2, 3, 4, 5}));

  const GgufTensor* i32 = gguf_->FindTensor("i32");
  ASSERT_NE(i32, nullptr);
  EXPECT_EQ(i32->format, Format::kI32);
  EXPECT_EQ(i32->shape.size(), 3u);
  EXPECT_EQ(i32->bytes[0], std::byte{7});

  const GgufTensor* q8 = gguf_->FindTensor("q8_0");
  ASSERT_NE(q8, nullptr);
  EXPECT_EQ(q8->format, Format::kQ8_0);
  EXPECT_EQ(q8->cols(), 64);
  EXPECT_EQ(q8->rows(), 4);
  EXPECT_EQ(q8->offset % 64, 0u);  // the file's own alignment
  values.resize(256);
  ASSERT_TRUE(tensor::Dequantise(q8->format, q8->bytes, values));
  EXPECT_NEAR(values[0], -1, 0.01);
  EXPECT_NEAR(values[255], 1, 0.01);
  EXPECT_EQ(gguf_->FindTensor("q8"), nullptr);
}

TEST(GgufTest, WhatTheWriterWritesIsReadInBothVersions) {
  for (const std::uint32_t version : {2u, 3u}) {
    GgufWriter writer(version);
    writer.Set("b", std::uint8_t{9});
    writer.Set("a", "text");
    writer.SetAlignment(128);
    for (const tensor::FormatTraits& traits : tensor::kFormats) {
      if (!traits.has_matmul) continue;
      writer.AddRandomTensor(traits.name, traits.format, {512, 3, 2}, 4);
    }
    const auto file = writer.Build();
    const auto gguf = Parse(file);
    ASSERT_TRUE(gguf.has_value()) << gguf.error().message;
    EXPECT_EQ(gguf->version(), version);
    EXPECT_EQ(gguf->metadata()[0].first, "b");  // the file's order
    EXPECT_EQ(gguf->metadata()[1].first, "a");
    for (const tensor::FormatTraits& traits : tensor::kFormats) {
      if (!traits.has_matmul) continue;
      const GgufTensor* tensor = gguf->FindTensor(traits.name);
      ASSERT_NE(tensor, nullptr) << traits.name;
      EXPECT_EQ(tensor->format, traits.format);
      EXPECT_EQ(tensor->rows(), 6);
      EXPECT_EQ(tensor->offset % 128, 0u);
      EXPECT_EQ(tensor->bytes.size(), 6 * tensor::RowBytes(traits.format, 512));
      EXPECT_EQ(tensor->bytes.data(), file.data() + tensor->offset);
    }
  }
}

// docs/formats/gguf.md, "One example, byte by byte".
TEST(GgufTest, ExampleOfTheFormatPageIsReadAndWrittenAsItSays) {
  constexpr unsigned char kExample[] = {
      0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0,   1,   0,   0, 0, 0, 0, 0, 0,     //
      2,    0,    0,    0,    0, 0, 0, 0,                                   //
      1,    0,    0,    0,    0, 0, 0, 0,   'n', 4,   0, 0, 0, 7, 0, 0, 0,  //
      1,    0,    0,    0,    0, 0, 0, 0,   's', 9,   0, 0, 0, 8, 0, 0, 0,  //
      2,    0,    0,    0,    0, 0, 0, 0,                                   //
      1,    0,    0,    0,    0, 0, 0, 0,   'a',                            //
      2,    0,    0,    0,    0, 0, 0, 0,   'b', 'c',                       //
      1,    0,    0,    0,    0, 0, 0, 0,   't', 1,   0, 0, 0,              //
      2,    0,    0,    0,    0, 0, 0, 0,   0,   0,   0, 0,                 //
      0,    0,    0,    0,    0, 0, 0, 0,                                   //
      0,    0,    0,    0,    0, 0, 0, 0,   0,   0,                         //
      0,    0,    0x80, 0x3f, 0, 0, 0, 0xc0};
  const auto example = std::as_bytes(std::span(kExample));
  const auto gguf = Parse(example);
  ASSERT_TRUE(gguf.has_value()) << gguf.error().message;
  EXPECT_EQ(gguf->GetInt("n").value(), 7);
  EXPECT_EQ(gguf->GetStrings("s").value(), (std::vector<std::string_view>{"a", "bc"}));
  ASSERT_EQ(gguf->tensors().size(), 1u);
  EXPECT_EQ(gguf->tensors()[0].offset, 0x80u);

  GgufWriter writer;
  writer.Set("n", std::uint32_t{7});
  writer.SetStrings("s", {"a", "bc"});
  writer.AddFloats("t", {2}, std::vector<float>{1, -2});
  const auto written = writer.Build();
  EXPECT_TRUE(std::ranges::equal(written, example));
}

TEST(GgufTest, VocabularyWithoutTensorsIsEnough) {
  GgufWriter writer;
  writer.SetStrings("tokenizer.ggml.tokens", {"a", "b"});
  const auto file = writer.Build();
  const auto gguf = Parse(file);
  ASSERT_TRUE(gguf.has_value()) << gguf.error().message;
  EXPECT_TRUE(gguf->tensors().empty());
  EXPECT_EQ(gguf->GetStrings("tokenizer.ggml.tokens")->size(), 2u);
}

TEST(GgufTest, EveryIntegerTypeServesAsIntegerArray) {
  GgufWriter writer;
  writer.SetArray<std::uint8_t>("u8", {1, 255});
  writer.SetArray<std::int8_t>("i8", {1, -1});
  writer.SetArray<std::uint64_t>("u64", {1, 2147483647});
  writer.SetArray<std::uint64_t>("large", {1, 2147483648});
  writer.SetArray<std::int32_t>("none", std::vector<std::int32_t>{});
  const auto file = writer.Build();
  const auto gguf = Parse(file);
  ASSERT_TRUE(gguf.has_value());
  EXPECT_EQ(gguf->GetInts("u8").value(), (std::vector<std::int32_t>{1, 255}));
  EXPECT_EQ(gguf->GetInts("i8").value(), (std::vector<std::int32_t>{1, -1}));
  EXPECT_EQ(gguf->GetInts("u64").value(), (std::vector<std::int32_t>{1, 2147483647}));
  EXPECT_FALSE(gguf->GetInts("large").has_value());
  EXPECT_TRUE(gguf->GetInts("none")->empty());
}

TEST(GgufTest, AbsentKeyGivesTheFallbackAndWrongTypeAnError) {
  GgufWriter writer;
  writer.Set("text", "x");
  const auto file = writer.Build();
  const auto gguf = Parse(file);
  ASSERT_TRUE(gguf.has_value());
  EXPECT_EQ(gguf->GetInt("absent", 5).value(), 5);
  EXPECT_EQ(gguf->GetFloat("absent", 0.5).value(), 0.5);
  EXPECT_EQ(gguf->GetBool("absent", true).value(), true);
  EXPECT_EQ(gguf->GetString("absent", "y").value(), "y");
  EXPECT_FALSE(gguf->GetInt("text", 5).has_value());
  const auto absent = gguf->GetInt("absent");
  ASSERT_FALSE(absent.has_value());
  EXPECT_EQ(absent.error().message, "metadata 'absent' is missing");
  const auto wrong = gguf->GetFloats("text");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().message, "metadata 'text' is string, an array of f32 was expected");
  EXPECT_FALSE(gguf->GetStrings("text").has_value());
  EXPECT_FALSE(gguf->GetInts("text").has_value());
  EXPECT_FALSE(gguf->GetBool("text").has_value());
  EXPECT_FALSE(gguf->GetFloat("text").has_value());
}

TEST(GgufTest, OverlappingTensorsAreAllowed) {
  // Two entries at offset 0: built by cutting the second tensor's data and pointing it back.
  GgufWriter writer;
  writer.AddRandomTensor("a", Format::kF32, {8}, 1);
  writer.AddRandomTensor("b", Format::kF32, {8}, 1);
  auto file = writer.Build();
  // The last 8 bytes of the index are b's offset; the index ends before 32-byte padding and 64
  // bytes of data.
  std::size_t at = file.size() - 64;
  while (std::to_integer<int>(file[at - 8]) != 32) --at;
  file[at - 8] = std::byte{0};
  file.resize(file.size() - 32);
  const auto gguf = Parse(file);
  ASSERT_TRUE(gguf.has_value()) << gguf.error().message;
  EXPECT_EQ(gguf->tensors()[0].offset, gguf->tensors()[1].offset);
}

TEST(GgufTest, MessageShowsNoControlCharactersOfTheFile) {
  GgufWriter writer;
  writer.SetRaw("a\n\x1b[31m", GgufType::kBool, std::as_bytes(std::span("\x02", 1)));
  const auto file = writer.Build();
  const auto gguf = Parse(file);
  ASSERT_FALSE(gguf.has_value());
  for (const char c : gguf.error().message) EXPECT_GE(c, ' ') << gguf.error().message;
}

class BrokenGgufTest : public ::testing::TestWithParam<testing::BrokenFile> {};

TEST_P(BrokenGgufTest, IsRefusedWithTheRightErrorAndFewAllocations) {
  const testing::BrokenFile& broken = GetParam();
  const AllocationMeter meter;
  const auto gguf = Parse(broken.bytes);
  const std::size_t total = meter.total_bytes();
  ASSERT_FALSE(gguf.has_value());
  EXPECT_EQ(gguf.error().code, broken.expected) << gguf.error().message;
  EXPECT_NE(gguf.error().message.find(broken.mentions), std::string::npos)
      << gguf.error().message << "; expected to mention " << broken.mentions;
  EXPECT_LE(total, AllowedBytes(broken.bytes.size()));
}

INSTANTIATE_TEST_SUITE_P(Lies, BrokenGgufTest, ::testing::ValuesIn(testing::BrokenGgufFiles()),
                         [](const auto& info) { return info.param.name; });

TEST(GgufSweepTest, SmallFileItselfIsValid) {
  const auto file = testing::SmallValidGguf();
  const auto gguf = Parse(file);
  ASSERT_TRUE(gguf.has_value()) << gguf.error().message;
  EXPECT_EQ(gguf->tensors().size(), 2u);
  EXPECT_EQ(gguf->metadata().size(), 7u);
}

TEST(GgufSweepTest, EveryTruncationIsCorrupt) {
  const auto file = testing::SmallValidGguf();
  for (std::size_t size = 0; size < file.size(); ++size) {
    // A copy of exactly that size, so that a sanitizer sees a read past its end.
    const std::vector<std::byte> cut(file.begin(),
                                     file.begin() + static_cast<std::ptrdiff_t>(size));
    const AllocationMeter meter;
    const auto gguf = Parse(cut);
    ASSERT_LE(meter.total_bytes(), AllowedBytes(size)) << "cut after " << size;
    ASSERT_FALSE(gguf.has_value()) << "cut after " << size;
    ASSERT_EQ(gguf.error().code, ErrorCode::kCorrupt) << size << ": " << gguf.error().message;
  }
}

TEST(GgufSweepTest, EveryFlippedBitGivesAnErrorOrAValidModel) {
  auto file = testing::SmallValidGguf();
  std::size_t valid = 0, refused = 0;
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    file[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    const AllocationMeter meter;
    const auto gguf = Parse(file);
    ASSERT_LE(meter.total_bytes(), AllowedBytes(file.size())) << "bit " << bit;
    if (gguf) {
      testing::WalkGguf(*gguf);
      ++valid;
    } else {
      ASSERT_FALSE(gguf.error().message.empty());
      ++refused;
    }
    file[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
  }
  // Most bytes are payload, most of the rest matter: neither side may vanish.
  EXPECT_GT(valid, file.size() / 2);
  EXPECT_GT(refused, file.size() / 2);
}

TEST(GgufSweepTest, EveryByteSetToExtremesGivesAnErrorOrAValidModel) {
  const auto file = testing::SmallValidGguf();
  for (std::size_t at = 0; at + 8 <= file.size(); ++at) {
    for (const std::uint64_t value :
         {std::uint64_t{0}, std::uint64_t{1} << 63, std::numeric_limits<std::uint64_t>::max(),
          std::uint64_t{0x7fffffffffffffff}}) {
      auto changed = file;
      std::memcpy(changed.data() + at, &value, sizeof(value));
      const AllocationMeter meter;
      const auto gguf = Parse(changed);
      ASSERT_LE(meter.total_bytes(), AllowedBytes(file.size())) << "bytes from " << at;
      if (gguf) testing::WalkGguf(*gguf);
    }
  }
}

TEST(GgufSweepTest, MeterSeesAnAllocation) {
  if (!AllocationMeter::Counts()) GTEST_SKIP() << "a sanitizer brings its own operator new";
  const AllocationMeter meter;
  const std::vector<char> some(1000);
  EXPECT_GE(meter.total_bytes(), some.size());
  EXPECT_GE(meter.largest_bytes(), some.size());
}

TEST(GgufTest, StringArrayCostsNoAllocationPerElement) {
  GgufWriter writer;
  writer.SetStrings("words", std::vector<std::string>(100'000, "word"));
  const auto file = writer.Build();
  const AllocationMeter meter;
  const auto gguf = Parse(file);
  ASSERT_TRUE(gguf.has_value());
  EXPECT_LE(meter.total_bytes(), 4096u);
  EXPECT_EQ(gguf->GetStrings("words")->size(), 100'000u);
  EXPECT_LE(meter.total_bytes(), 4096u + 100'000 * sizeof(std::string_view));
}

}  // namespace
}  // namespace cairn::model
