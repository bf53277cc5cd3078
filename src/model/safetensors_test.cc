// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

namespace cairn::model {
namespace {

// A file of a header and `data` bytes that count up.
std::vector<std::byte> File(std::string_view header, std::size_t data) {
  std::vector<std::byte> file(8 + header.size() + data);
  const std::uint64_t size = header.size();
  std::memcpy(file.data(), &size, 8);
  std::memcpy(file.data() + 8, header.data(), header.size());
  for (std::size_t i = 0; i < data; ++i) file[8 + header.size() + i] = static_cast<std::byte>(i);
  return file;
}

constexpr std::string_view kTwo = R"({"__metadata__":{"format":"pt"},)"
                                  R"("b":{"dtype":"F16","shape":[2,3],"data_offsets":[8,20]},)"
                                  R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

TEST(SafetensorsTest, TensorsAreFoundByName) {
  const auto file = File(kTwo, 20);
  const auto parsed = Safetensors::Parse(file);
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->tensors().size(), 2u);
  const SafeTensor* b = parsed->Find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->format, tensor::Format::kF16);
  EXPECT_EQ(b->shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(b->bytes.size(), 12u);
  EXPECT_EQ(b->bytes[0], std::byte{8});
  EXPECT_EQ(parsed->Find("c"), nullptr);
  EXPECT_EQ(parsed->Find("__metadata__"), nullptr);
}

TEST(SafetensorsTest, ANameIsThereOnce) {
  for (const char* offsets : {"[0,4]", "[4,8]"}) {
    const auto parsed =
        Safetensors::Parse(File(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                R"("a":{"dtype":"F32","shape":[1],"data_offsets":)" +
                                    std::string(offsets) + "}}",
                                8));
    ASSERT_FALSE(parsed);
    EXPECT_NE(parsed.error().message.find("'a' is there twice"), std::string::npos)
        << parsed.error().message;
  }
}

TEST(SafetensorsTest, AHeaderIsCapped) {
  std::vector<std::byte> file(8 + kMostHeaderBytes + 1, static_cast<std::byte>(' '));
  const std::uint64_t size = kMostHeaderBytes + 1;
  std::memcpy(file.data(), &size, sizeof size);
  const auto parsed = Safetensors::Parse(file);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::kLimit);
}

TEST(SafetensorsTest, EveryTruncationIsAnError) {
  const auto file = File(kTwo, 20);
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(Safetensors::Parse(std::span(file).first(size))) << size;
  }
}

TEST(SafetensorsTest, WhatIsWrongIsNamed) {
  const struct {
    std::string_view header;
    std::size_t data;
    std::string_view message;
  } cases[] = {
      {"[]", 0, "no JSON object"},
      {R"({"a":1})", 0, "'a' is no object"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "'a' has no pair of data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,5]}})", 4, "'a' does not lie in the 4"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "'a' does not lie"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-1,4]}})", 4, "'a' does not lie"},
      {R"({"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype 'Q9'"},
      {R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4, "'a' has no dtype"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "4 bytes where its shape"},
      {R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "fits no file"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0,
       "fits no file"},
      {R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})", 4,
       "no shape of at most 8"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5, "1 bytes after the last"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "begins at byte 4"},
      {R"({"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"I8","shape":[4],"data_offsets":[2,6]}})",
       6, "'b' begins at byte 2"},
  };
  for (const auto& c : cases) {
    const auto parsed = Safetensors::Parse(File(c.header, c.data));
    ASSERT_FALSE(parsed) << c.header;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(parsed.error().message.find(c.message), std::string::npos) << parsed.error().message;
  }
}

TEST(SafetensorsTest, AScalarAndAnEmptyTensorTakeTheirBytes) {
  const auto file = File(R"({"s":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                         R"("e":{"dtype":"F32","shape":[0,7],"data_offsets":[8,8]}})",
                         8);
  const auto parsed = Safetensors::Parse(file);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->Find("s")->bytes.size(), 8u);
  EXPECT_TRUE(parsed->Find("e")->bytes.empty());
}

TEST(SafetensorsTest, AHeaderBeyondTheCapIsRefusedBeforeItIsRead) {
  std::vector<std::byte> file(8 + kMostHeaderBytes + 1);
  const std::uint64_t size = kMostHeaderBytes + 1;
  std::memcpy(file.data(), &size, 8);
  EXPECT_EQ(Safetensors::Parse(file).error().code, ErrorCode::kLimit);
}

TEST(SafetensorsTest, DeepNestingIsAnError) {
  EXPECT_FALSE(Safetensors::Parse(File("{\"a\":" + std::string(100000, '['), 0)));
}

}  // namespace
}  // namespace cairn::model
