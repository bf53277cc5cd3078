// SPDX-License-Identifier: Apache-2.0
// For tests of the scheduler: choosers that tell what became of them, over StubModel and a clock
// that stands still. Threads: one.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/scheduler.h"
#include "testing/stub_model.h"

namespace cairn::engine {

using testing::StubModel;
using testing::StubOptions;
using testing::VirtualClock;

// What became of one choice.
struct Story {
  std::vector<std::int32_t> said;
  std::vector<std::int64_t> times;  // of the tokens
  std::optional<Ended> ended;
  std::optional<Error> error;
  std::int64_t reused = 0;
  std::vector<std::int32_t> prompt;  // of a stream, once it is complete
};

class Teller final : public TokenChooser {
 public:
  Teller(Story& story, const VirtualClock& clock, std::size_t most)
      : story_(story), clock_(clock), most_(most) {}
  std::optional<std::int32_t> Next(std::span<const float> logits) override {
    story_.times.push_back(clock_.NowNs());
    // Never the end: token 1 instead.
    const auto largest =
        std::max<std::int64_t>(1, std::ranges::max_element(logits) - logits.begin());
    story_.said.push_back(static_cast<std::int32_t>(largest));
    if (story_.said.size() == most_) return std::nullopt;
    return story_.said.back();
  }
  void PromptIsComplete(std::span<const std::int32_t> tokens, std::int64_t) override {
    EXPECT_TRUE(story_.said.empty());
    story_.prompt.assign(tokens.begin(), tokens.end());
  }
  void Reused(std::int64_t tokens) override { story_.reused = tokens; }
  void End(Ended how) override { story_.ended = how; }
  void Fail(const Error& error) override { story_.error = error; }

 private:
  Story& story_;
  const VirtualClock& clock_;
  std::size_t most_;
};

class SchedulerTest : public ::testing::Test {
 protected:
  void Make(const StubOptions& stub = {}, SchedulerOptions options = {}) {
    scheduler_.reset();  // before the model that it borrows
    model_ = std::make_unique<StubModel>(stub, clock_);
    options.clock = std::shared_ptr<const Clock>(std::shared_ptr<void>(), &clock_);
    scheduler_ = std::make_unique<Scheduler>(*model_, options);
  }
  static std::vector<std::int32_t> Text(int size, int first = 1) {
    std::vector<std::int32_t> text(static_cast<std::size_t>(size));
    for (int i = 0; i < size; ++i) {
      text[static_cast<std::size_t>(i)] =
          1 + (first * 7 + i * i + i) % (testing::kStubVocabulary - 1);
    }
    return text;
  }
  Request Make(Story& story, std::vector<std::int32_t> prompt, std::size_t most) {
    Request request;
    request.prompt = std::move(prompt);
    request.choices.push_back(std::make_unique<Teller>(story, clock_, most));
    return request;
  }
  RequestId Submit(Story& story, std::vector<std::int32_t> prompt, std::size_t most) {
    const auto id = scheduler_->Submit(Make(story, std::move(prompt), most));
    EXPECT_TRUE(id) << id.error().message;
    return id.value_or(0);
  }
  RequestId Open(Story& story, std::vector<std::int32_t> prompt, std::size_t most) {
    Request request = Make(story, std::move(prompt), most);
    request.streaming = true;
    const auto id = scheduler_->Submit(std::move(request));
    EXPECT_TRUE(id) << id.error().message;
    return id.value_or(0);
  }
  void RunAll() {
    while (scheduler_->Step()) {
    }
    EXPECT_EQ(model_->complaint(), "");
  }

  VirtualClock clock_;
  std::unique_ptr<StubModel> model_;
  std::unique_ptr<Scheduler> scheduler_;
};

}  // namespace cairn::engine
