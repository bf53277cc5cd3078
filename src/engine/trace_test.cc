// SPDX-License-Identifier: Apache-2.0
// Recording of steps: what an engine reports, the sums by stage, and the timeline as JSON.
#include "engine/trace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cmath>
#include <fstream>
#include <sstream>

#include "engine/stage_times.h"
#include "engine/trace_writer.h"
#include "testing/engine_helpers.h"
#include "testing/failing_file_system.h"
#include "testing/temp_folder.h"
#include "testing/virtual_clock.h"

namespace cairn::engine {
namespace {

using testing::Append;
using testing::LogitsOf;
using testing::MakeEngine;
using testing::MakeSequence;
using testing::SameBytes;
using testing::TempFolder;
using testing::TinyModel;
using testing::TinySpec;
using testing::VirtualClock;
using Tokens = std::vector<std::int32_t>;

// A clock that moves by itself: each reading is a nanosecond after the last.
class TickingClock : public Clock {
 public:
  std::int64_t NowNs() const override { return ++now_; }

 private:
  mutable std::atomic<std::int64_t> now_{0};
};

// Checks every record; a step's spans must lie in it, and worker 0's follow one another.
class CheckingObserver : public StepObserver {
 public:
  const Clock& clock() const override { return clock_; }
  void OnStep(const StepRecord& record) override {
    ++steps;
    for (const auto& spans : record.workers) {
      std::int64_t at = record.begin;
      for (const PhaseSpan& span : spans) {
        EXPECT_LE(at, span.begin);
        EXPECT_LE(span.begin, span.waiting);
        EXPECT_LE(span.waiting, span.end);
        at = span.end;
        units += span.units;
      }
      EXPECT_LE(at, record.end);
    }
    phases = record.workers[0].size();
    for (const SequenceSlice& slice : record.slices) rows += slice.rows;
  }
  int steps = 0;
  int rows = 0;
  int units = 0;
  std::size_t phases = 0;

 private:
  TickingClock clock_;
};

TEST(PhaseRecorderTest, SpansOfEveryWorkerFollowOneAnotherInsideTheStep) {
  const TinyModel tiny{TinySpec{}};
  for (const int threads : {1, 2, 5}) {
    CheckingObserver observer;
    const auto engine = MakeEngine(
        tiny.model(), {.threads = threads, .context = 64, .step_rows = 8, .observer = &observer});
    auto sequence = MakeSequence(*engine);
    Append(*engine, sequence, Tokens(20, 3));
    EXPECT_EQ(observer.steps, 3);  // of at most 8 rows
    EXPECT_EQ(observer.rows, 20);
    EXPECT_GT(observer.units, 0);
    EXPECT_GT(observer.phases, 5u);
  }
}

TEST(PhaseRecorderTest, ObservedStepsHaveTheSameBytes) {
  const TinyModel tiny{TinySpec{}};
  CheckingObserver observer;
  const auto plain = MakeEngine(tiny.model(), {.threads = 3, .context = 64});
  const auto observed =
      MakeEngine(tiny.model(), {.threads = 3, .context = 64, .observer = &observer});
  const Tokens tokens = {5, 4, 3, 2, 1, 7};
  EXPECT_TRUE(SameBytes(LogitsOf(*plain, tokens), LogitsOf(*observed, tokens)));
}

TEST(StageTimesTest, PartsAreSummedOverLayersAndStepsAndCostTheProgram) {
  const TinyModel tiny{TinySpec{}};
  const TickingClock clock;
  StageTimes times(clock);
  const auto engine =
      MakeEngine(tiny.model(), {.threads = 1, .context = 64, .step_rows = 8, .observer = &times});
  auto sequence = MakeSequence(*engine);
  Append(*engine, sequence, Tokens(8, 3), 1);
  Append(*engine, sequence, Tokens(1, 3), 1);
  EXPECT_EQ(times.steps(), 2);
  program::Cost cost;
  std::int64_t ns = 0;
  for (const StageTime& stage : times.stages()) {
    cost += stage.cost;
    ns += stage.ns;
    EXPECT_EQ(std::ranges::count(times.stages(), stage.name, &StageTime::name), 1) << stage.name;
  }
  EXPECT_LE(ns, times.step_ns());
  const program::Program& program = tiny.model()->program();
  program::Cost expected =
      program::TotalCost(program, {.tokens = 8, .sampled = 1, .positions = 4.5});
  expected += program::TotalCost(program, {.tokens = 1, .sampled = 1, .positions = 9});
  EXPECT_DOUBLE_EQ(cost.operations, expected.operations);
  EXPECT_DOUBLE_EQ(cost.weight_bytes, expected.weight_bytes);
  EXPECT_DOUBLE_EQ(cost.kv_bytes, expected.kv_bytes);
  times.Reset();
  EXPECT_TRUE(times.stages().empty());
}

// What is counted as read are the experts that the rows of each step met.
TEST(StageTimesTest, OfExpertsThoseCountThatWereRead) {
  const TinyModel tiny{TinySpec{.layers = 1, .experts = 16, .experts_used = 2}};
  const TickingClock clock;
  StageTimes times(clock);
  const auto engine =
      MakeEngine(tiny.model(), {.threads = 2, .context = 64, .step_rows = 16, .observer = &times});
  const auto read = [&](const Tokens& tokens) {
    times.Reset();
    auto sequence = MakeSequence(*engine);
    Append(*engine, sequence, tokens, static_cast<int>(tokens.size()));
    const auto stage = std::ranges::find_if(times.stages(), [](const StageTime& time) {
      return time.part == program::StagePart::kMatmul && time.name == "ffn_down_exps";
    });
    EXPECT_NE(stage, times.stages().end());
    return stage->cost.weight_bytes;
  };
  const auto& weights = tiny.model()->program().weights;
  const auto down =
      std::ranges::find(weights, "blk.0.ffn_down_exps.weight", &program::Weight::name);
  const double matrix = 4.0 * down->expert_rows() * down->cols;  // of F32
  EXPECT_DOUBLE_EQ(read({5}), 2 * matrix);
  const double many = read({5, 4, 3, 2, 1, 7, 9, 11, 13, 15, 17, 19}) / matrix;
  EXPECT_EQ(many, std::round(many));
  EXPECT_GT(many, 2);
  EXPECT_LE(many, 16);
}

// --- the timeline ---------------------------------------------------------------------------

struct Event {
  std::int64_t worker, begin, end;  // picoseconds would be exact too; these are nanoseconds
  std::string name;
};

std::int64_t Nanoseconds(const boost::json::value& microseconds) {
  return std::llround(microseconds.to_number<double>() * 1000);
}

class TraceWriterTest : public ::testing::Test {
 protected:
  std::vector<Event> Read() {
    std::ifstream file(path_);
    std::stringstream text;
    text << file.rdbuf();
    std::vector<Event> events;
    const boost::json::value whole = boost::json::parse(text.str());
    for (const auto& value : whole.at("traceEvents").as_array()) {
      if (value.at("ph") != "X") continue;
      const std::int64_t begin = Nanoseconds(value.at("ts"));
      events.push_back({value.at("tid").to_number<std::int64_t>(), begin,
                        begin + Nanoseconds(value.at("dur")),
                        std::string(value.at("name").as_string())});
    }
    return events;
  }

  TempFolder folder_;
  const std::string path_ = folder_.File("trace.json");
  SystemFiles files_;
};

TEST_F(TraceWriterTest, SpansByHandAreWrittenWithNamesAndTimes) {
  VirtualClock clock(1'000'000);
  auto writer = TraceWriter::Create(files_, path_, clock).value();
  const program::Program program;
  const SequenceSlice slice{.rows = 3};
  const std::vector<PhaseSpan> workers[] = {{{.stage = nullptr,
                                              .part = program::StagePart::kAngles,
                                              .units = 2,
                                              .begin = 1'002'000,
                                              .waiting = 1'003'001,
                                              .end = 1'005'000}}};
  writer->OnStep({.program = program,
                  .slices = {&slice, 1},
                  .begin = 1'001'500,
                  .end = 1'006'000,
                  .workers = workers});
  clock.AdvanceNs(7'000);
  ASSERT_TRUE(writer->Finish());
  const std::vector<Event> events = Read();
  ASSERT_EQ(events.size(), 5u);
  const auto expect = [&](std::size_t i, const char* name, std::int64_t begin, std::int64_t end) {
    EXPECT_EQ(events[i].name, name);
    EXPECT_EQ(events[i].begin, begin) << name;
    EXPECT_EQ(events[i].end, end) << name;
  };
  expect(0, "outside of steps", 0, 1'500);
  expect(1, "step", 1'500, 6'000);
  expect(2, "rotary angles", 2'000, 3'001);
  expect(3, "wait", 3'001, 5'000);
  expect(4, "outside of steps", 6'000, 7'000);
}

TEST_F(TraceWriterTest, SpansOfARealRunNestAndCoverIt) {
  const TinyModel tiny{TinySpec{}};
  const SystemClock clock;
  auto writer = TraceWriter::Create(files_, path_, clock).value();
  {
    const auto engine =
        MakeEngine(tiny.model(), {.threads = 2, .context = 64, .observer = writer.get()});
    auto sequence = MakeSequence(*engine);
    for (int i = 0; i < 4; ++i) Append(*engine, sequence, Tokens(3, 1));
  }
  ASSERT_TRUE(writer->Finish());
  std::int64_t covered = 0;  // by spans of worker 0 that lie in no other
  std::vector<Event> open;
  int steps = 0;
  for (const Event& event : Read()) {
    if (event.worker != 0) continue;
    while (!open.empty() && open.back().end <= event.begin) open.pop_back();
    if (!open.empty()) {
      EXPECT_LE(event.end, open.back().end) << event.name << " sticks out of " << open.back().name;
    } else {
      EXPECT_EQ(event.begin, covered) << "a gap before " << event.name;
      covered = event.end;
    }
    steps += event.name == "step" ? 1 : 0;
    open.push_back(event);
  }
  EXPECT_EQ(steps, 4);
}

TEST_F(TraceWriterTest, FullTraceLeavesStepsOutAndStaysWhole) {
  const TinyModel tiny{TinySpec{}};
  const TickingClock clock;
  auto writer = TraceWriter::Create(files_, path_, clock, 20'000).value();
  const auto engine =
      MakeEngine(tiny.model(), {.threads = 1, .context = 64, .observer = writer.get()});
  auto sequence = MakeSequence(*engine);
  for (int i = 0; i < 50; ++i) Append(*engine, sequence, Tokens(1, 1));
  ASSERT_TRUE(writer->Finish());
  EXPECT_GT(writer->steps_left_out(), 0);
  EXPECT_EQ(Read().back().name, "steps left out: the trace is full");
}

TEST_F(TraceWriterTest, NamesOfAModelCannotBreakTheJson) {
  const VirtualClock clock;
  auto writer = TraceWriter::Create(files_, path_, clock).value();
  program::Program program;
  program.weights.push_back({.name = "blk.0.a\"\\\n\xFF.weight"});
  const program::Stage stage{.body = program::MatmulBody{{{.weight = 0}}}};
  const std::vector<PhaseSpan> workers[] = {
      {{.stage = &stage, .part = program::StagePart::kMatmul, .units = 1, .waiting = 5, .end = 5}}};
  writer->OnStep({.program = program, .slices = {}, .begin = 0, .end = 5, .workers = workers});
  ASSERT_TRUE(writer->Finish());
  const std::vector<Event> events = Read();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].name, "a\"\\??");
}

TEST_F(TraceWriterTest, EveryFailureIsReportedOnce) {
  for (int n = 0;; ++n) {
    const VirtualClock clock;
    testing::FailingFileSystem files(files_);
    files.FailAt(n);
    auto writer = TraceWriter::Create(files, path_, clock);
    const bool done = writer && (*writer)->Finish();
    EXPECT_NE(done, files.failed()) << "operation " << n;
    if (!files.failed()) break;
  }
}

}  // namespace
}  // namespace cairn::engine
