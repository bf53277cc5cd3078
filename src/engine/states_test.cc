// SPDX-License-Identifier: Apache-2.0
// Models with states: where the states lie, and who had them before, must not show in any byte.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/answers.h"
#include "engine/engine.h"
#include "kv/pool.h"
#include "kv/prefix_cache.h"
#include "testing/engine_helpers.h"

namespace cairn::engine {
namespace {

using testing::Append;
using testing::LogitRows;
using testing::LogitsOf;
using testing::MakeEngine;
using testing::MakeSequence;
using testing::RandomTokens;
using testing::Rows;
using testing::SameBytes;
using testing::TinyModel;
using testing::TinySpec;
using Tokens = std::vector<std::int32_t>;

constexpr std::int64_t kTile = kernels::kTilePositions;

std::span<const std::int32_t> First(const Tokens& text, std::int64_t count) {
  return std::span(text).first(static_cast<std::size_t>(count));
}
std::span<const std::int32_t> From(const Tokens& text, std::int64_t count) {
  return std::span(text).subspan(static_cast<std::size_t>(count));
}

class ModelStatesTest : public ::testing::TestWithParam<std::string> {
 protected:
  TinyModel tiny_{TinySpec{.architecture = GetParam(), .layers = 3}};
  const Tokens text_ = RandomTokens(*tiny_.model(), 200, 1);
};

// If states were forgotten between steps, every other test would fail with them; if they were never
// read, none would.
TEST_P(ModelStatesTest, AnEarlyTokenShowsInLateRows) {
  const auto engine = MakeEngine(tiny_.model());
  Tokens other = text_;
  other[100] = (other[100] + 1) % tiny_.model()->tokenizer().size();
  const LogitRows a = LogitsOf(*engine, text_), b = LogitsOf(*engine, other);
  EXPECT_EQ(a[99], b[99]);
  EXPECT_NE(a[100], b[100]);
  EXPECT_NE(a[115], b[115]);  // further than the convolutions of all layers reach
}

TEST_P(ModelStatesTest, ForksAndRollBacksGoOnWithTheSameBytes) {
  const auto engine = MakeEngine(tiny_.model());
  const LogitRows all = LogitsOf(*engine, text_);
  Sequence a = MakeSequence(*engine);
  Append(*engine, a, First(text_, 150), 0);
  for (const std::int64_t at : {kTile, 2 * kTile, std::int64_t{150}}) {
    Sequence b = MakeSequence(*engine);
    b.tiles().Share(a.tiles(), at);
    b.Adopt(First(text_, at));
    EXPECT_TRUE(SameBytes(Append(*engine, b, From(text_, at)), Rows(all, at))) << at;
  }
  Append(*engine, a, RandomTokens(*tiny_.model(), 30, 5), 0);
  ASSERT_EQ(a.tiles().UsableSize(160), 2 * kTile);
  a.Truncate(2 * kTile);
  EXPECT_TRUE(SameBytes(Append(*engine, a, From(text_, 2 * kTile)), Rows(all, 2 * kTile)));
}

TEST_P(ModelStatesTest, AStoppedStepChangesNothing) {
  const auto engine = MakeEngine(tiny_.model());
  const LogitRows all = LogitsOf(*engine, text_);
  Sequence a = MakeSequence(*engine);
  Append(*engine, a, First(text_, 70), 0);
  std::stop_source stopped;
  stopped.request_stop();
  const Tokens other = RandomTokens(*tiny_.model(), 40, 6);
  StepEntry entry{.sequence = &a, .tokens = other, .sampled = 1, .failure = {}};
  const auto done = engine->Step(
      {&entry, 1}, [](int, int, auto) {}, stopped.get_token());
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(SameBytes(Append(*engine, a, From(text_, 70)), Rows(all, 70)));
}

TEST_P(ModelStatesTest, ABeginningFromTheCacheGivesTheSameBytes) {
  const auto engine = MakeEngine(tiny_.model());
  kv::PrefixCache cache(engine->pool(), 7);
  const LogitRows all = LogitsOf(*engine, text_);
  {
    Sequence first = MakeSequence(*engine);
    Append(*engine, first, text_, 0);
    cache.Publish(0, text_, first.tiles(), true);
  }
  for (const std::int64_t most : {1, 63, 64, 65, 128, 199, 200}) {
    testing::SoilKv(*engine);
    Sequence sequence = MakeSequence(*engine);
    const std::int64_t expected = most == 200 ? 200 : most / kTile * kTile;
    ASSERT_EQ(cache.Take(0, text_, most, sequence.tiles()), expected);
    sequence.Adopt(First(text_, expected));
    EXPECT_TRUE(SameBytes(Append(*engine, sequence, From(text_, expected)), Rows(all, expected)))
        << most;
  }
}

// One text at a time, so that nothing is kept on the way and all memory is given back.
TEST_P(ModelStatesTest, TheLeastMemoryHoldsOneTextAfterTheOther) {
  const kv::RoomOfText room = kv::RoomOf(MakeEngine(tiny_.model())->pool().layout());
  const LogitRows all = LogitsOf(*MakeEngine(tiny_.model()), text_);
  const auto engine =
      MakeEngine(tiny_.model(), {.kv_memory_bytes = 4 * room.tile + room.states, .step_rows = 50});
  EXPECT_EQ(engine->context(), room.tile == 0 ? 4096 : 4 * kTile);
  for (int time = 0; time < 3; ++time) {
    EXPECT_TRUE(SameBytes(LogitsOf(*engine, text_), all));
    EXPECT_EQ(engine->kv_use().used, 0u);
    EXPECT_LE(engine->kv_use().reserved, engine->kv_use().budget);
  }
}

// The engine's own scheduler with memory for a few texts: those that give way go on from what the
// cache has of them.
TEST_P(ModelStatesTest, AnswersThatGiveWayAreTheSame) {
  const kv::RoomOfText room = kv::RoomOf(MakeEngine(tiny_.model())->pool().layout());
  std::vector<Tokens> prompts;
  for (std::uint64_t i = 0; i < 8; ++i) {
    prompts.push_back(RandomTokens(*tiny_.model(), 60 + static_cast<int>(20 * i), i / 2));
  }
  const auto answers = [&](std::size_t memory, int sequences, std::int64_t preempt_every,
                           std::int64_t* preempted) {
    const auto engine = MakeEngine(tiny_.model(), {.kv_memory_bytes = memory, .step_rows = 64});
    Answers all(*engine, {.sequences = sequences, .preempt_every = preempt_every});
    std::vector<Tokens> made(prompts.size());
    std::size_t ended = 0;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      AnswerRequest request;
      request.prompt = prompts[i];
      request.options.max_tokens = 30;
      request.options.sampling = {.temperature = 1.2f, .seed = i};
      AnswerSink sink;
      sink.done = [&, i](std::vector<Result<Answer>> choices) {
        ++ended;
        if (choices[0]) made[i] = choices[0]->tokens;
      };
      EXPECT_TRUE(all.Submit(std::move(request), std::move(sink)));
    }
    while (ended < prompts.size()) all.Step();
    *preempted = all.scheduler().counters().preempted;
    return made;
  };
  std::int64_t none = 0, many = 0;
  const auto alone = answers(400 * (room.tile + room.states), 1, 0, &none);
  EXPECT_EQ(none, 0);
  EXPECT_EQ(answers(6 * room.tile + 5 * room.states, 8, 5, &many), alone);
  EXPECT_GT(many, 3);
}

INSTANTIATE_TEST_SUITE_P(Models, ModelStatesTest, ::testing::Values("mamba2", "granitehybrid"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cairn::engine
