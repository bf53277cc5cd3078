// SPDX-License-Identifier: Apache-2.0
// A text that goes on from a file is answered with the same bytes as one that was never stopped.
#include "engine/session.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "model/digest.h"
#include "testing/engine_helpers.h"
#include "testing/temp_folder.h"

namespace cairn::engine {
namespace {

using testing::MakeEngine;
using testing::RandomTokens;
using testing::TinyModel;
using testing::TinySpec;
using Tokens = std::vector<std::int32_t>;

// Layers that see everything and layers with a window of 24; and llama.
std::vector<TinySpec> Specs() {
  return {{.architecture = "gemma3", .format = tensor::Format::kQ8_0, .layers = 7},
          {.architecture = "llama", .format = tensor::Format::kQ4_K}};
}

class SessionTest : public ::testing::Test {
 protected:
  static Answer Generate(Answers& answers, const Tokens& prompt) {
    GenerateOptions options{.max_tokens = 24, .ignore_end = true, .stop = {}, .sampling = {}};
    options.sampling.temperature = 1.2f;
    options.sampling.seed = 7;
    auto answer = answers.Generate(prompt, options, {});
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *std::move(answer) : Answer{};
  }
  // The first question, its answer, and the next question.
  static Tokens Next(const TinyModel& tiny, const Tokens& first, const Answer& answer) {
    Tokens text = first;
    text.insert(text.end(), answer.tokens.begin(), answer.tokens.end());
    const Tokens question = RandomTokens(*tiny.model(), 9, 77);
    text.insert(text.end(), question.begin(), question.end());
    return text;
  }
  Result<SessionCost> Save(Answers& answers, const Tokens& tokens) {
    auto file = OR_RETURN(files_.OpenToWrite(path_, WriteMode::kReplace));
    auto cost = OR_RETURN(SessionFiles(answers).Save(
        tokens, "note", [&](std::span<const std::byte> bytes) { return file->Write(bytes); }));
    OR_RETURN(file->Close());
    return cost;
  }

  testing::TempFolder folder_;
  std::string path_ = folder_.File("session");
  SystemFiles files_;
};

TEST_F(SessionTest, TheNextAnswerIsTheOneThatWouldHaveComeWithoutTheFile) {
  for (const TinySpec& spec : Specs()) {
    const TinyModel tiny(spec);
    for (const kernels::KvFormat kv :
         {kernels::KvFormat::kF16, kernels::KvFormat::kQ8, kernels::KvFormat::kF32}) {
      for (const int length : {1, 40, 63, 104, 200}) {
        SCOPED_TRACE(::testing::Message() << testing::NameOf(spec) << ", KV "
                                          << kernels::KvFormatName(kv) << ", " << length);
        const Tokens first = RandomTokens(*tiny.model(), length, 3);
        const auto engine = MakeEngine(tiny.model(), {.threads = 2, .kv = kv});
        Answers answers(*engine, {});
        const Answer answer = Generate(answers, first);
        const Tokens next = Next(tiny, first, answer);
        const auto saved = Save(answers, next);
        ASSERT_TRUE(saved) << saved.error().message;
        EXPECT_EQ(saved->tokens, length + 23) << "all but the last, which was not computed";
        const Answer expected = Generate(answers, next);

        // Elsewhere: another engine, another instruction set, memory that holds other text.
        const auto other =
            MakeEngine(tiny.model(), {.threads = 1, .isa = kernels::Isa::kPortable, .kv = kv});
        testing::SoilKv(*other);
        Answers later(*other, {});
        SessionFiles sessions(later);
        const auto loaded = sessions.Load(files_, path_);
        ASSERT_TRUE(loaded) << loaded.error().message;
        EXPECT_EQ(loaded->note, "note");
        EXPECT_EQ(loaded->cost.bytes, saved->bytes);
        const Answer again = Generate(later, next);
        EXPECT_EQ(again.tokens, expected.tokens);
        EXPECT_EQ(again.text, expected.text);
        EXPECT_EQ(again.reused_tokens, saved->tokens) << "what the file has was computed again";
      }
    }
  }
}

// Were the keys and values of the file not used at all, the test above would find the same tokens.
TEST_F(SessionTest, KeysAndValuesOfTheFileAreWhatIsUsed) {
  const TinyModel tiny(Specs()[0]);
  const Tokens text = RandomTokens(*tiny.model(), 130, 3);
  const Tokens other = RandomTokens(*tiny.model(), 130, 4);
  const auto engine = MakeEngine(tiny.model());
  Answers answers(*engine, {});
  const Answer expected = Generate(answers, other);
  Generate(answers, text);
  Sequence known = answers.Recall(text);
  ASSERT_EQ(known.size(), 130);
  // The keys and values of one text, the tokens of another.
  auto file = files_.OpenToWrite(path_, WriteMode::kReplace);
  ASSERT_TRUE(file);
  ASSERT_TRUE(kv::WriteSession(
      engine->pool().layout(),
      {.model = model::DigestOf(*tiny.model()), .arithmetic = kernels::kArithmeticVersion},
      std::span(other).first(128), "", known.tiles(),
      [&](std::span<const std::byte> bytes) { return (*file)->Write(bytes); }));
  ASSERT_TRUE((*file)->Close());
  Answers misled(*engine, {});
  SessionFiles sessions(misled);
  ASSERT_TRUE(sessions.Load(files_, path_));
  const Answer answer = Generate(misled, other);
  EXPECT_EQ(answer.reused_tokens, 128);
  EXPECT_NE(answer.tokens, expected.tokens);
}

TEST_F(SessionTest, FilesOfOtherModelsAndFormatsAreRefused) {
  const TinyModel tiny(Specs()[0]);
  const Tokens text = RandomTokens(*tiny.model(), 100, 3);
  const auto engine = MakeEngine(tiny.model());
  Answers answers(*engine, {});
  Generate(answers, text);
  ASSERT_TRUE(Save(answers, text));
  const auto refused = [&](const std::shared_ptr<const model::Model>& model,
                           const EngineOptions& options) -> std::optional<ErrorCode> {
    const auto engine = MakeEngine(model, options);
    Answers answers(*engine, {});
    const auto loaded = SessionFiles(answers).Load(files_, path_);
    if (loaded) return std::nullopt;
    EXPECT_NE(loaded.error().message.find(path_), std::string::npos);
    return loaded.error().code;
  };
  TinySpec spec = Specs()[0];
  spec.seed = 2;  // other weights
  EXPECT_EQ(refused(TinyModel(spec).model(), {.threads = 1}), ErrorCode::kInvalidArgument);
  spec = Specs()[0];
  spec.window = 32;  // the same weights, another program
  EXPECT_EQ(refused(TinyModel(spec).model(), {.threads = 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused(tiny.model(), {.threads = 1, .kv = kernels::KvFormat::kQ8}),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused(tiny.model(), {.threads = 1, .context = 64}), ErrorCode::kLimit);
  EXPECT_EQ(refused(tiny.model(), {.threads = 1}), std::nullopt);
}

TEST_F(SessionTest, DigestsTellModelsApartAndNotTheirNames) {
  const TinyModel tiny(Specs()[0]), same(Specs()[0]), other(Specs()[1]);
  EXPECT_EQ(model::DigestOf(*tiny.model()), model::DigestOf(*same.model()));
  EXPECT_NE(model::DigestOf(*tiny.model()), model::DigestOf(*other.model()));
  TinySpec spec = Specs()[0];
  spec.chat_template = false;
  EXPECT_EQ(model::DigestOf(*TinyModel(spec).model()), model::DigestOf(*tiny.model()));
}

// With the real layout of a tile, partly full: cuts and bits anywhere.
TEST_F(SessionTest, DamagedFilesAreErrorsAndChangeNoAnswer) {
  const TinyModel tiny(Specs()[0]);
  const Tokens first = RandomTokens(*tiny.model(), 70, 3);
  const auto engine = MakeEngine(tiny.model());
  Answers answers(*engine, {});
  const Tokens next = Next(tiny, first, Generate(answers, first));
  ASSERT_TRUE(Save(answers, next));
  const Answer expected = Generate(answers, next);
  const std::string whole = *ReadWholeFile(files_, path_, 1 << 30);
  Answers later(*engine, {});
  SessionFiles sessions(later);
  std::mt19937 random(6);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = whole;
    const std::size_t at = random() % whole.size();
    if (i % 3 == 0) {
      damaged.resize(at);
    } else {
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (random() % 8)));
    }
    auto file = files_.OpenToWrite(path_, WriteMode::kReplace);
    ASSERT_TRUE(file && (*file)->Write(std::as_bytes(std::span(damaged))) && (*file)->Close());
    ASSERT_FALSE(sessions.Load(files_, path_)) << "damage at " << at;
  }
  EXPECT_EQ(Generate(later, next).reused_tokens, 0);
  EXPECT_EQ(Generate(later, next).tokens, expected.tokens);
}

}  // namespace
}  // namespace cairn::engine
