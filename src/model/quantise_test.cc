// SPDX-License-Identifier: Apache-2.0
#include "model/quantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "model/model.h"
#include "tensor/dequantise.h"
#include "tensor/quantise.h"
#include "testing/gguf_writer.h"
#include "testing/temp_folder.h"
#include "testing/tiny_models.h"

namespace cairn::model {
namespace {

using tensor::Format;

void WriteFile(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}

class QuantiseFileTest : public ::testing::Test {
 protected:
  std::string Put(const std::string& name, std::span<const std::byte> bytes) {
    WriteFile(folder_.File(name), bytes);
    return folder_.File(name);
  }
  GgufFile Open(const std::string& path) {
    auto file = GgufFile::Open(path);
    EXPECT_TRUE(file) << file.error().message;
    return std::move(*file);
  }
  Result<std::vector<std::byte>> Quantised(const GgufFile& in, Format type,
                                           const Importance* importance = nullptr,
                                           int threads = 2) {
    parallel::WorkerTeam team(threads);
    std::vector<std::byte> bytes;
    told_.clear();
    OR_RETURN(QuantiseFile(
        in, type, importance, team,
        [&](std::span<const std::byte> part) -> Result<void> {
          bytes.insert(bytes.end(), part.begin(), part.end());
          return {};
        },
        [&](const QuantisedTensor& tensor) { told_.push_back(tensor); }));
    return bytes;
  }

  cairn::testing::TempFolder folder_;
  std::vector<QuantisedTensor> told_;
};

std::vector<float> Values(const GgufTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.cols() * tensor.rows()));
  EXPECT_TRUE(tensor::Dequantise(tensor.format, tensor.bytes, values));
  return values;
}

TEST_F(QuantiseFileTest, EveryTypeGivesAModelThatLoadsWithTheErrorThatIsTold) {
  const GgufFile in =
      Open(Put("in.gguf", cairn::testing::MakeTinyModel({.format = Format::kF32, .tied = false})));
  for (const tensor::FormatTraits& traits : tensor::kFormats) {
    if (!tensor::CanQuantise(traits.format)) continue;
    const auto bytes = Quantised(in, traits.format);
    ASSERT_TRUE(bytes) << bytes.error().message;
    const std::string path = Put("out.gguf", *bytes);
    const auto loaded = Model::Load(path, {.threads = 1});
    ASSERT_TRUE(loaded) << traits.name << ": " << loaded.error().message;
    const GgufFile out = Open(path);
    ASSERT_EQ(told_.size(), in.gguf.tensors().size());
    for (const QuantisedTensor& told : told_) {
      const GgufTensor& before = *in.gguf.FindTensor(told.name);
      const GgufTensor& after = *out.gguf.FindTensor(told.name);
      EXPECT_EQ(after.format, told.to);
      EXPECT_EQ(after.shape, before.shape);
      EXPECT_EQ(after.bytes.size(), told.bytes);
      if (told.from == told.to) {
        EXPECT_TRUE(std::ranges::equal(before.bytes, after.bytes)) << told.name;
        continue;
      }
      const auto x = Values(before), y = Values(after);
      double squares = 0, error = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        squares += double{x[i]} * x[i];
        error += (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
      }
      EXPECT_NEAR(told.relative_error(), std::sqrt(error / squares), 1e-9) << told.name;
    }
    for (const auto& [key, value] : in.gguf.metadata()) {
      if (key == "general.file_type" || key == "general.quantization_version") continue;
      const GgufValue* copied = out.gguf.Find(key);
      ASSERT_NE(copied, nullptr) << key;
      EXPECT_TRUE(copied->type == value.type && std::ranges::equal(copied->bytes, value.bytes))
          << key;
    }
  }
}

TEST_F(QuantiseFileTest, ThreadsChangeNoByteAndNeitherDoesASecondTime) {
  const GgufFile in = Open(Put("in.gguf", cairn::testing::MakeTinyModel({})));
  for (const Format type : {Format::kQ4_0, Format::kQ4_K}) {
    const auto one = Quantised(in, type, nullptr, 1), three = Quantised(in, type, nullptr, 3);
    ASSERT_TRUE(one && three);
    EXPECT_TRUE(*one == *three);
    const auto again = Quantised(Open(Put("out.gguf", *one)), type);
    ASSERT_TRUE(again);
    EXPECT_TRUE(*again == *one) << "tensors that have the format already are copied";
  }
}

// Names and shapes as files have them; only these decide.
TEST_F(QuantiseFileTest, EachTensorGetsTheFormatThatTheRulesGive) {
  const auto format = [&](const char* name, std::vector<std::int64_t> shape, Format type,
                          bool tied = false) {
    cairn::testing::GgufWriter writer;
    if (!tied) writer.AddRandomTensor("output.weight", Format::kF16, {256, 4}, 1);
    if (std::string_view(name) != "output.weight") {
      writer.AddRandomTensor(name, Format::kF16, std::move(shape), 1);
    }
    const GgufFile file = Open(Put("x.gguf", writer.Build()));
    return FormatFor(file.gguf, *file.gguf.FindTensor(name), type);
  };
  EXPECT_EQ(format("blk.0.attn_q.weight", {256, 8}, Format::kQ3_K), Format::kQ3_K);
  EXPECT_EQ(format("blk.0.ffn_up_exps.weight", {256, 8, 2}, Format::kQ4_K), Format::kQ4_K);
  EXPECT_EQ(format("blk.0.attn_q.bias", {256, 8}, Format::kQ3_K), Format::kF16);
  EXPECT_EQ(format("blk.0.attn_norm.weight", {256, 8}, Format::kQ3_K), Format::kF16);
  EXPECT_EQ(format("blk.0.ffn_gate_inp.weight", {256, 8}, Format::kQ3_K), Format::kF16);
  EXPECT_EQ(format("blk.0.attn_q.weight", {256, 1}, Format::kQ3_K), Format::kF16);
  EXPECT_EQ(format("position_embd.weight", {256, 8}, Format::kQ3_K), Format::kF16);
  EXPECT_EQ(format("output.weight", {}, Format::kQ3_K), Format::kQ6_K);
  EXPECT_EQ(format("output.weight", {}, Format::kQ8_0), Format::kQ8_0);
  EXPECT_EQ(format("token_embd.weight", {256, 8}, Format::kQ3_K), Format::kQ3_K);
  EXPECT_EQ(format("token_embd.weight", {256, 8}, Format::kQ3_K, true), Format::kQ6_K);
  EXPECT_EQ(format("token_embd.weight", {288, 8}, Format::kQ3_K, true), Format::kQ8_0);
  EXPECT_EQ(format("blk.0.attn_q.weight", {288, 8}, Format::kQ2_K), Format::kIQ4_NL);
  EXPECT_EQ(format("blk.0.attn_q.weight", {288, 8}, Format::kQ4_K), Format::kQ5_0);
  EXPECT_EQ(format("blk.0.attn_q.weight", {288, 8}, Format::kQ5_K), Format::kQ5_1);
  EXPECT_EQ(format("blk.0.attn_q.weight", {40, 8}, Format::kQ4_0), Format::kF16);
}

constexpr int kImportant = 8;  // one column in so many

// An importance file with large numbers for some columns of every expert.
std::vector<std::byte> ImportanceOf(std::int64_t cols, std::int64_t matrices, float last_count) {
  cairn::testing::GgufWriter writer;
  writer.Set("general.type", "imatrix");
  std::vector<float> sums(static_cast<std::size_t>(cols * matrices), 10.0f);
  for (std::int64_t m = 0; m < matrices; ++m) {
    for (std::int64_t i = 0; i < cols; i += kImportant) {
      sums[static_cast<std::size_t>(m * cols + i)] = 1'000.0f;
    }
  }
  std::vector<float> counts(static_cast<std::size_t>(matrices), 10.0f);
  counts.back() = last_count;
  writer.AddFloats("blk.0.ffn_up_exps.weight.in_sum2", {cols, matrices}, sums);
  writer.AddFloats("blk.0.ffn_up_exps.weight.counts", {1, matrices}, counts);
  return writer.Build();
}

TEST_F(QuantiseFileTest, ImportanceIsPerExpertAndMovesTheError) {
  cairn::testing::GgufWriter writer;
  writer.AddRandomTensor("blk.0.ffn_up_exps.weight", Format::kF16, {256, 8, 2}, 1);
  const GgufFile in = Open(Put("in.gguf", writer.Build()));
  const auto error_of = [&](const Importance* importance, std::int64_t expert, int step) {
    const auto bytes = Quantised(in, Format::kQ4_K, importance);
    EXPECT_TRUE(bytes);
    const GgufFile out = Open(Put("out.gguf", *bytes));
    const auto x = Values(in.gguf.tensors()[0]), y = Values(out.gguf.tensors()[0]);
    double error = 0;
    for (std::int64_t row = 8 * expert; row < 8 * expert + 8; ++row) {
      for (int i = 0; i < 256; i += step) {
        const auto at = static_cast<std::size_t>(row * 256 + i);
        error += (double{x[at]} - y[at]) * (double{x[at]} - y[at]);
      }
    }
    return error;
  };
  const auto importance = Importance::Open(Put("i.gguf", ImportanceOf(256, 2, 0)));
  ASSERT_TRUE(importance) << importance.error().message;
  EXPECT_LT(error_of(&*importance, 0, kImportant), 0.8 * error_of(nullptr, 0, kImportant));
  ASSERT_TRUE(Quantised(in, Format::kQ4_K, &*importance));
  EXPECT_TRUE(told_.size() == 1 && told_[0].weighed);
  EXPECT_EQ(error_of(&*importance, 1, 1), error_of(nullptr, 1, 1))
      << "an expert that was never chosen has no importance";
}

TEST_F(QuantiseFileTest, ImportanceOfAnotherModelIsRefused) {
  cairn::testing::GgufWriter writer;
  writer.AddRandomTensor("blk.0.ffn_up_exps.weight", Format::kF16, {256, 8, 2}, 1);
  const GgufFile in = Open(Put("in.gguf", writer.Build()));
  const auto other = Importance::Open(Put("i.gguf", ImportanceOf(288, 2, 1)));
  ASSERT_TRUE(other);
  const auto refused = Quantised(in, Format::kQ4_K, &*other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().message.find("ffn_up_exps"), std::string::npos);
  EXPECT_FALSE(Importance::Open(folder_.File("in.gguf"))) << "a model is no importance file";
}

TEST_F(QuantiseFileTest, AValueThatIsNoNumberNamesItsTensor) {
  cairn::testing::GgufWriter writer;
  std::vector<float> values(512, 1.0f);
  values[300] = std::numeric_limits<float>::infinity();
  writer.AddFloats("blk.0.attn_q.weight", {256, 2}, values);
  const auto refused = Quantised(Open(Put("in.gguf", writer.Build())), Format::kQ4_0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNumeric);
  EXPECT_NE(refused.error().message.find("attn_q"), std::string::npos);
}

}  // namespace
}  // namespace cairn::model
