// SPDX-License-Identifier: Apache-2.0
// A tiny model cut into parts, as gguf-split does, must be the model that it was.
#include "model/gguf_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "testing/engine_helpers.h"
#include "testing/gguf_writer.h"
#include "testing/temp_folder.h"
#include "testing/tiny_models.h"

namespace cairn::model {
namespace {

using testing::GgufWriter;

// The payload of a value as a file has it.
std::vector<std::byte> PayloadOf(const GgufValue& value) {
  testing::GgufBytes bytes;
  if (value.type == GgufType::kString) bytes.Put<std::uint64_t>(value.bytes.size());
  if (value.type == GgufType::kArray) {
    bytes.Put(static_cast<std::uint32_t>(value.element));
    bytes.Put<std::uint64_t>(value.count);
  }
  bytes.PutBytes(value.bytes);
  return bytes.bytes();
}

class SplitTest : public ::testing::Test {
 protected:
  SplitTest() : whole_(testing::MakeTinyModel({})), gguf_(*Gguf::Parse(whole_)) {}

  // Writes `parts` parts; tests lie about the first one's numbers.
  void Write(int parts, int said_count = 0, int said_tensors = 0) {
    const int count = static_cast<int>(gguf_.tensors().size());
    for (int part = 0; part < parts; ++part) {
      GgufWriter writer;
      if (part == 0) {
        for (const auto& [key, value] : gguf_.metadata()) {
          writer.SetRaw(key, value.type, PayloadOf(value));
        }
      }
      writer.Set("split.no", static_cast<std::uint16_t>(part));
      writer.Set("split.count", static_cast<std::uint16_t>(said_count > 0 ? said_count : parts));
      writer.Set("split.tensors.count", said_tensors > 0 ? said_tensors : count);
      for (int t = part * count / parts; t < (part + 1) * count / parts; ++t) {
        const GgufTensor& tensor = gguf_.tensors()[static_cast<std::size_t>(t)];
        writer.AddTensor(tensor.name, tensor.format, tensor.shape,
                         {tensor.bytes.begin(), tensor.bytes.end()});
      }
      const auto bytes = writer.Build();
      std::ofstream(PathOf(part + 1, parts), std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
    }
  }
  std::string PathOf(int number, int count) const {
    char name[64];
    std::snprintf(name, sizeof name, "tiny-%05d-of-%05d.gguf", number, count);
    return temp_.File(name);
  }

  testing::TempFolder temp_;
  std::vector<std::byte> whole_;
  Gguf gguf_;
};

TEST_F(SplitTest, PartsAreTheModelThatTheyWere) {
  const testing::TinyModel tiny({});
  const auto expected_engine = testing::MakeEngine(tiny.model());
  const auto tokens = testing::RandomTokens(*tiny.model(), 20, 1);
  const auto expected = testing::LogitsOf(*expected_engine, tokens);
  for (const int parts : {1, 2, 5}) {
    Write(parts);
    // Any part leads to all of them.
    auto model = Model::Load(PathOf(parts, parts), {.threads = 1});
    ASSERT_TRUE(model) << model.error().message;
    const auto engine = testing::MakeEngine(*std::move(model));
    EXPECT_TRUE(testing::SameBytes(testing::LogitsOf(*engine, tokens), expected)) << parts;
  }
}

TEST_F(SplitTest, BytesOfTensorsLieWhereTheIndexSays) {
  Write(3);
  const auto opened = GgufFile::Open(PathOf(1, 3));
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_EQ(opened->gguf.tensors().size(), gguf_.tensors().size());
  std::size_t bytes = 0;
  for (int i = 1; i <= 3; ++i) bytes += std::filesystem::file_size(PathOf(i, 3));
  EXPECT_EQ(opened->gguf.file_bytes(), bytes);
  for (const GgufTensor& tensor : gguf_.tensors()) {
    const GgufTensor* other = opened->gguf.FindTensor(tensor.name);
    ASSERT_NE(other, nullptr) << tensor.name;
    EXPECT_TRUE(std::ranges::equal(other->bytes, tensor.bytes)) << tensor.name;
    EXPECT_EQ(other->bytes.data(), opened->file.bytes().data() + other->offset);
  }
}

TEST_F(SplitTest, PartsThatDoNotBelongTogetherAreRefused) {
  const auto refused = [&](ErrorCode code, std::string_view words) {
    const auto opened = GgufFile::Open(PathOf(1, 3));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, code);
    EXPECT_NE(opened.error().message.find(words), std::string::npos) << opened.error().message;
  };
  Write(3, 4);
  refused(ErrorCode::kCorrupt, "part 1 of 4, part 1 of 3 was expected");
  Write(3, 0, 99);
  refused(ErrorCode::kCorrupt, "99 were expected");
  Write(3);
  std::filesystem::copy_file(PathOf(2, 3), PathOf(3, 3),
                             std::filesystem::copy_options::overwrite_existing);
  refused(ErrorCode::kCorrupt, "part 2 of 3, part 3 of 3 was expected");
  std::filesystem::remove(PathOf(3, 3));
  refused(ErrorCode::kNotFound, "tiny-00003-of-00003.gguf");
}

TEST_F(SplitTest, EveryTruncationOfAPartIsAnErrorOrReads) {
  Write(2);
  const std::string path = PathOf(2, 2);
  const auto size = std::filesystem::file_size(path);
  for (std::uintmax_t left = size - 1; left > 0; left = left * 9 / 10) {
    std::filesystem::resize_file(path, left);
    EXPECT_FALSE(GgufFile::Open(path)) << left;
  }
}

TEST(PartNameTest, OnlyNamesOfPartsArePartNames) {
  EXPECT_EQ(PartsOf("m.gguf"), std::vector<std::string>{"m.gguf"});
  EXPECT_EQ(PartsOf("d/m-00002-of-00002.gguf"),
            (std::vector<std::string>{"d/m-00001-of-00002.gguf", "d/m-00002-of-00002.gguf"}));
  for (const char* other : {"m-00003-of-00002.gguf", "m-00000-of-00002.gguf", "m-1-of-2.gguf",
                            "m-0000x-of-00002.gguf", "m-00001-of-99999.gguf", "-of-.gguf"}) {
    EXPECT_EQ(PartsOf(other), std::vector<std::string>{other});
  }
  EXPECT_TRUE(IsLaterPart("m-00002-of-00002.gguf"));
  EXPECT_FALSE(IsLaterPart("m-00001-of-00002.gguf"));
  EXPECT_FALSE(IsLaterPart("m.gguf"));
}

}  // namespace
}  // namespace cairn::model
