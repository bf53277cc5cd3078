// SPDX-License-Identifier: Apache-2.0
// Embeddings and scores through the C interface: the engine's to the bit.
#include "engine/embedder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "engine/rerank.h"
#include "testing/c_interface.h"

namespace cairn::capi {
namespace {

std::string Fixture(const char* name) {
  return std::filesystem::path(CAIRN_SOURCE_DIR) / "tests/golden/encoders" / name;
}

cairn_model* OpenModel(const std::string& path, std::int32_t embed) {
  cairn_model_options options;
  cairn_model_options_init(&options, sizeof(options));
  options.embed = embed;
  cairn_model* model = nullptr;
  Failure failure;
  EXPECT_WORKS(failure, cairn_model_open(path.c_str(), &options, &model, failure.place()));
  return model;
}

// A model of tests/golden/encoders and its embedder; texts of different lengths.
class EmbedderTest : public ::testing::Test {
 public:
  void SetUp() override { Open(Fixture("bert.gguf"), CAIRN_EMBED_AS_MADE); }
  void TearDown() override { Close(); }

  void Close() {
    cairn_embedder_free(std::exchange(embedder_, nullptr));
    cairn_model_free(std::exchange(model_, nullptr));
  }
  void Open(const std::string& path, std::int32_t embed) {
    Close();
    model_ = OpenModel(path, embed);
    cairn_embedder_options options;
    cairn_embedder_options_init(&options, sizeof(options));
    options.threads = 2;
    EXPECT_WORKS(failure_, cairn_embedder_open(model_, &options, &embedder_, failure_.place()));
    ASSERT_NE(embedder_, nullptr);
    info_ = {.size = sizeof(info_)};
    EXPECT_WORKS(failure_, cairn_embedder_describe(embedder_, &info_, failure_.place()));
    width_ = static_cast<std::size_t>(info_.width);
  }
  // What the engine makes of the same texts, scaled.
  static std::vector<float> Expected(const std::string& path) {
    auto model = model::Model::Load(path, {.use = {.embed = true}});
    auto embedder = engine::Embedder::Create(*model, {.threads = 1});
    std::vector<engine::EmbedInput> inputs;
    for (const char* text : kTexts) inputs.push_back(*(*embedder)->Encode(text, false));
    std::vector<float> values(std::size(kTexts) * static_cast<std::size_t>((*embedder)->width()));
    EXPECT_TRUE((*embedder)->Run(inputs, [&](int input, int, std::span<const float> row) {
      std::span<float> to(values.data() + static_cast<std::size_t>(input) * row.size(), row.size());
      std::ranges::copy(row, to.begin());
      (*embedder)->Normalise(to);
    }));
    return values;
  }
  std::vector<float> Embed(const cairn_embed_options* options = nullptr) {
    const std::size_t width = options != nullptr && options->dimensions > 0
                                  ? static_cast<std::size_t>(options->dimensions)
                                  : width_;
    std::vector<float> values(std::size(kTexts) * width + 1, -7);
    EXPECT_WORKS(failure_, cairn_embed(embedder_, kTexts, nullptr, std::size(kTexts), options,
                                       values.data(), failure_.place()));
    EXPECT_EQ(values.back(), -7);  // nothing behind the end
    values.pop_back();
    return values;
  }
  static cairn_embed_options Options() {
    cairn_embed_options options;
    cairn_embed_options_init(&options, sizeof(options));
    return options;
  }

  static constexpr const char* kTexts[] = {"a", "some words that are longer", "", "two words",
                                           "a b c d e f g h i j k l m n o p q r s t u v w x y z"};
  Failure failure_;
  cairn_model* model_ = nullptr;
  cairn_embedder* embedder_ = nullptr;
  cairn_embedder_info info_{};
  std::size_t width_ = 0;
};

TEST_F(EmbedderTest, AnEncoderEmbedsAsTheEngineDoes) {
  cairn_model_info model{.size = sizeof(model)};
  EXPECT_WORKS(failure_, cairn_model_describe(model_, &model, failure_.place()));
  EXPECT_EQ(model.embeds, 1);
  EXPECT_EQ(info_.width, 64);
  EXPECT_EQ(info_.scores, 0);
  EXPECT_EQ(info_.threads, 2);
  EXPECT_EQ(info_.context, model.context);
  EXPECT_EQ(Embed(), Expected(Fixture("bert.gguf")));
}

TEST_F(EmbedderTest, ADecoderEmbedsWhereItIsAskedTo) {
  const testing::TinyModel tiny({});
  for (const auto& [embed, pooling] : {std::pair{CAIRN_EMBED_POOLED, program::Pooling::kLast},
                                       std::pair{CAIRN_EMBED_MEAN, program::Pooling::kMean},
                                       std::pair{CAIRN_EMBED_FIRST, program::Pooling::kFirst},
                                       std::pair{CAIRN_EMBED_LAST, program::Pooling::kLast}}) {
    Open(tiny.path(), embed);
    // Without the empty text, of which such a model makes no token.
    const char* const texts[] = {kTexts[0], kTexts[1]};
    std::vector<float> values(2 * width_);
    EXPECT_WORKS(failure_, cairn_embed(embedder_, texts, nullptr, 2, nullptr, values.data(),
                                       failure_.place()));
    auto model = model::Model::Load(tiny.path(), {.use = {.embed = true, .pooling = pooling}});
    auto embedder = engine::Embedder::Create(*model, {.threads = 1});
    std::vector<engine::EmbedInput> inputs;
    for (const char* text : texts) inputs.push_back(*(*embedder)->Encode(text, false));
    EXPECT_TRUE((*embedder)->Run(inputs, [&](int input, int, std::span<const float> row) {
      std::vector<float> expected(row.begin(), row.end());
      (*embedder)->Normalise(expected);
      EXPECT_EQ(
          std::memcmp(expected.data(), values.data() + static_cast<std::size_t>(input) * width_,
                      width_ * sizeof(float)),
          0);
    }));
  }
}

TEST_F(EmbedderTest, LengthsMaySayWhereTextsEnd) {
  const char* const texts[] = {"some words that are longer, cut", "two wordsX"};
  const std::size_t lengths[] = {26, 9};
  std::vector<float> values(2 * width_);
  EXPECT_WORKS(failure_,
               cairn_embed(embedder_, texts, lengths, 2, nullptr, values.data(), failure_.place()));
  const std::vector<float> all = Embed();
  EXPECT_EQ(std::memcmp(values.data(), &all[width_], width_ * sizeof(float)), 0);
  EXPECT_EQ(std::memcmp(&values[width_], &all[3 * width_], width_ * sizeof(float)), 0);
}

TEST_F(EmbedderTest, RawAndDimensionsAreTheModelsRows) {
  const std::vector<float> whole = Embed();
  cairn_embed_options options = Options();
  options.raw = 1;
  const std::vector<float> raw = Embed(&options);
  EXPECT_NE(raw, whole);
  options.dimensions = 8;
  const std::vector<float> cut = Embed(&options);
  options.raw = 0;
  const std::vector<float> scaled = Embed(&options);
  for (std::size_t text = 0; text < std::size(kTexts); ++text) {
    double sum = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      EXPECT_EQ(cut[text * 8 + i], raw[text * width_ + i]);
      sum += double{scaled[text * 8 + i]} * double{scaled[text * 8 + i]};
    }
    EXPECT_NEAR(sum, 1, 1e-6);
  }
}

TEST_F(EmbedderTest, TooLongATextIsAnErrorThatNamesItOrCut) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "a ";
  const char* const texts[] = {"a", text.c_str()};
  std::vector<float> values(2 * width_);
  EXPECT_FAILS(failure_, CAIRN_LIMIT, "text 2: a text has 302 tokens",
               cairn_embed(embedder_, texts, nullptr, 2, nullptr, values.data(), failure_.place()));
  cairn_embed_options options = Options();
  options.truncate = 1;
  EXPECT_WORKS(failure_, cairn_embed(embedder_, texts, nullptr, 2, &options, values.data(),
                                     failure_.place()));
}

TEST_F(EmbedderTest, DocumentsAreScoredAsTheEngineDoes) {
  for (const char* name : {"bert.gguf", "bert_scores.gguf"}) {
    Open(Fixture(name), CAIRN_EMBED_AS_MADE);
    std::vector<double> scores(std::size(kTexts));
    EXPECT_WORKS(failure_,
                 cairn_rerank(embedder_, "two words and more", 9, kTexts, nullptr,
                              std::size(kTexts), nullptr, scores.data(), failure_.place()));
    auto model = model::Model::Load(Fixture(name), {.use = {.embed = true}});
    auto embedder = engine::Embedder::Create(*model, {.threads = 1});
    const std::vector<std::string_view> documents(std::begin(kTexts), std::end(kTexts));
    EXPECT_EQ(scores, *engine::Rerank(**embedder, "two words", documents, false)) << name;
    EXPECT_EQ(info_.scores, name == std::string("bert_scores.gguf") ? 1 : 0);
  }
  std::vector<float> values(std::size(kTexts) * width_);
  EXPECT_FAILS(failure_, CAIRN_UNSUPPORTED, "cairn_rerank",
               cairn_embed(embedder_, kTexts, nullptr, std::size(kTexts), nullptr, values.data(),
                           failure_.place()));
}

TEST_F(EmbedderTest, ThreadsGetTheSameBytes) {
  const std::vector<float> expected = Embed();
  std::vector<std::vector<float>> got(4, std::vector<float>(expected.size()));
  std::vector<std::thread> threads;
  for (std::vector<float>& values : got) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(cairn_embed(embedder_, kTexts, nullptr, std::size(kTexts), nullptr, values.data(),
                              nullptr),
                  CAIRN_OK);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<float>& values : got) EXPECT_EQ(values, expected);
}

// Notes what it is told, tries to use the embedder, and asks for the end after some calls.
struct Told {
  cairn_embedder* embedder;
  cairn_cancel* cancel = nullptr;
  std::uint64_t cancel_at = ~std::uint64_t{0};
  std::vector<std::uint64_t> done = {};
  cairn_status nested = CAIRN_OK;

  static void Call(void* user, std::uint64_t done, std::uint64_t total) {
    auto& told = *static_cast<Told*>(user);
    EXPECT_EQ(total, 1000u);
    told.done.push_back(done);
    float value = 0;
    told.nested = cairn_embed(told.embedder, nullptr, nullptr, 0, nullptr, &value, nullptr);
    if (done >= told.cancel_at) cairn_cancel_request(told.cancel);
  }
};

TEST_F(EmbedderTest, ProgressIsToldBetweenStepsAndACancelEndsTheCall) {
  const std::vector<const char*> texts(1000, "two words");
  std::vector<float> values(texts.size() * width_);
  Told told{.embedder = embedder_};
  EXPECT_WORKS(failure_, cairn_cancel_new(&told.cancel, failure_.place()));
  cairn_embed_options options = Options();
  options.progress = Told::Call;
  options.user = &told;
  options.cancel = told.cancel;
  const auto embed = [&] {
    return cairn_embed(embedder_, texts.data(), nullptr, texts.size(), &options, values.data(),
                       failure_.place());
  };
  EXPECT_WORKS(failure_, embed());
  EXPECT_GT(told.done.size(), 3u);
  EXPECT_TRUE(std::ranges::is_sorted(told.done));
  EXPECT_EQ(told.done.front(), 0u);
  EXPECT_EQ(told.done.back(), 1000u);
  EXPECT_EQ(told.nested, CAIRN_BUSY);

  told.done.clear();
  told.cancel_at = 1;
  EXPECT_FAILS(failure_, CAIRN_CANCELLED, "cancelled", embed());
  EXPECT_EQ(told.done.size(), 2u);
  EXPECT_FAILS(failure_, CAIRN_CANCELLED, "cancelled", embed());  // the flag is still set
  cairn_cancel_reset(told.cancel);
  told.cancel_at = 1000;  // too late: all is done
  EXPECT_WORKS(failure_, embed());
  cairn_cancel_free(told.cancel);
}

TEST_F(EmbedderTest, AnEmbedderOutlivesItsModel) {
  const std::vector<float> expected = Embed();
  cairn_model_free(std::exchange(model_, nullptr));
  EXPECT_EQ(Embed(), expected);
}

TEST_F(EmbedderTest, WhatHasNoMeaningIsRefusedByName) {
  float values[64];
  const char* const texts[] = {"a", nullptr};
  const auto embed = [&](const cairn_embed_options* options, std::size_t count) {
    return cairn_embed(embedder_, texts, nullptr, count, options, values, failure_.place());
  };
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "text 2 is NULL", embed(nullptr, 2));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "embedder",
               cairn_embed(nullptr, texts, nullptr, 1, nullptr, values, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "list of texts",
               cairn_embed(embedder_, nullptr, nullptr, 1, nullptr, values, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "place",
               cairn_embed(embedder_, texts, nullptr, 1, nullptr, nullptr, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_LIMIT, "texts", embed(nullptr, ~std::size_t{0}));
  EXPECT_WORKS(failure_, embed(nullptr, 0));
  cairn_embed_options options = Options();
  options.dimensions = 65;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "dimensions is 65", embed(&options, 1));
  options.size = 3;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "cairn_embed_options.size", embed(&options, 1));
  options = Options();
  options.raw = 1;
  double score = 0;
  EXPECT_FAILS(
      failure_, CAIRN_INVALID_ARGUMENT, "raw",
      cairn_rerank(embedder_, "a", 1, texts, nullptr, 1, &options, &score, failure_.place()));
  EXPECT_FAILS(
      failure_, CAIRN_INVALID_ARGUMENT, "query",
      cairn_rerank(embedder_, nullptr, 1, texts, nullptr, 1, nullptr, &score, failure_.place()));
  cairn_embedder_free(nullptr);
}

TEST_F(EmbedderTest, ModelsAreForWhatTheyWereOpenedFor) {
  cairn_engine* engine = nullptr;
  EXPECT_FAILS(failure_, CAIRN_UNSUPPORTED, "embeddings",
               cairn_engine_open(model_, nullptr, &engine, failure_.place()));
  const testing::TinyModel tiny({});
  cairn_model* answers = OpenModel(tiny.path(), CAIRN_EMBED_AS_MADE);
  cairn_embedder* embedder = nullptr;
  EXPECT_FAILS(failure_, CAIRN_UNSUPPORTED, "was opened for answers",
               cairn_embedder_open(answers, nullptr, &embedder, failure_.place()));
  cairn_embedder_options options;
  cairn_embedder_options_init(&options, sizeof(options));
  options.context = 1'000'000;
  EXPECT_FAILS(failure_, CAIRN_LIMIT, "1000000",
               cairn_embedder_open(model_, &options, &embedder, failure_.place()));
  EXPECT_EQ(embedder, nullptr);
  cairn_model_free(answers);
  cairn_model_options unknown;
  cairn_model_options_init(&unknown, sizeof(unknown));
  unknown.embed = 5;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "embed is 5",
               cairn_model_open(tiny.path().c_str(), &unknown, &answers, failure_.place()));
}

}  // namespace
}  // namespace cairn::capi
