// SPDX-License-Identifier: Apache-2.0
#include "server/engine_loop.h"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "testing/engine_helpers.h"

namespace cairn::server {
namespace {

// What a listener heard, in order; stops the loop at the end.
struct Heard final : AnswerListener {
  explicit Heard(boost::asio::io_context& events) : loop(events) {}
  void Refused(const Error& e) override {
    error = e;
    loop.stop();
  }
  void Accepted() override { EXPECT_FALSE(std::exchange(accepted, true)); }
  void Piece(int, const engine::AnswerPiece& piece) override {
    EXPECT_TRUE(accepted && !ended);
    text += piece.text;
    tokens.insert(tokens.end(), piece.tokens.begin(), piece.tokens.end());
    if (on_text) on_text();
  }
  void Ended(int, engine::FinishReason reason) override {
    EXPECT_FALSE(ended);
    ended = reason;
  }
  bool wants_pieces() const override { return pieces; }
  bool wants_progress() const override { return true; }
  void Progress(const engine::PromptProgress& now) override {
    EXPECT_TRUE(accepted && text.empty());
    EXPECT_GE(now.computed, progress.computed);
    progress = now;
  }
  void Done(std::vector<Result<engine::Answer>> all) override {
    answers = std::move(all);
    loop.stop();
  }
  boost::asio::io_context& loop;
  bool pieces = true;
  bool accepted = false;
  std::string text;
  std::vector<engine::TokenLikelihoods> tokens;
  std::optional<engine::FinishReason> ended;
  engine::PromptProgress progress;
  std::optional<Error> error;
  std::vector<Result<engine::Answer>> answers;
  std::function<void()> on_text;
};

class EngineLoopTest : public ::testing::Test {
 protected:
  EngineLoopTest() { engines_.Add(hosted_); }
  engine::AnswerRequest Request(std::int64_t tokens) const {
    engine::AnswerRequest request;
    request.prompt = testing::RandomTokens(hosted_->model(), 20, 3);
    request.options = {.max_tokens = tokens, .ignore_end = true, .sampling = {.temperature = 1.5f}};
    return request;
  }
  void Run() {
    const auto guard = boost::asio::make_work_guard(loop_);
    loop_.restart();
    loop_.run();
  }
  testing::TinyModel tiny_{{.context = 4096}};
  std::shared_ptr<HostedEngine> hosted_ = std::make_shared<HostedEngine>(
      testing::MakeEngine(tiny_.model(), {.threads = 1, .context = 4096}),
      engine::SchedulerOptions{.sequences = 1});
  boost::asio::io_context loop_{1};
  EngineLoop engines_{
      [this](std::function<void()> work) { boost::asio::post(loop_, std::move(work)); }};
};

TEST_F(EngineLoopTest, AnAnswerIsHeardInOrderAndIsThatOfAnswers) {
  const auto heard = std::make_shared<Heard>(loop_);
  auto asked = Request(30);
  asked.options.likelihoods = 2;
  ASSERT_TRUE(engines_.Submit(EngineLoop::NewJob(), hosted_, std::move(asked), heard));
  Run();
  ASSERT_EQ(heard->answers.size(), 1u);
  ASSERT_TRUE(heard->answers[0]);
  EXPECT_EQ(heard->answers[0]->tokens.size(), 30u);
  EXPECT_EQ(heard->answers[0]->text, heard->text);
  EXPECT_EQ(heard->ended, heard->answers[0]->reason);
  EXPECT_EQ(heard->progress.computed, 20);
  EXPECT_EQ(heard->progress.total, 20);
  EXPECT_EQ(heard->tokens, heard->answers[0]->likelihoods);
  EXPECT_FALSE(heard->tokens.empty());
  const auto engine = testing::MakeEngine(tiny_.model(), {.threads = 1, .context = 4096});
  engine::Answers alone(*engine, {.sequences = 1});
  const auto request = Request(30);
  EXPECT_EQ(alone.Generate(request.prompt, request.options, {})->tokens, heard->answers[0]->tokens);
}

TEST_F(EngineLoopTest, WhoWantsTheWholeAloneHearsNoPieces) {
  const auto heard = std::make_shared<Heard>(loop_);
  heard->pieces = false;
  auto asked = Request(30);
  asked.options.likelihoods = 2;
  ASSERT_TRUE(engines_.Submit(EngineLoop::NewJob(), hosted_, std::move(asked), heard));
  Run();
  EXPECT_EQ(heard->text, "");
  EXPECT_TRUE(heard->tokens.empty());
  EXPECT_FALSE(heard->ended);
  ASSERT_EQ(heard->answers.size(), 1u);
  ASSERT_TRUE(heard->answers[0]);
  EXPECT_EQ(heard->answers[0]->tokens.size(), 30u);
  EXPECT_EQ(heard->answers[0]->likelihoods.size(), 30u);
}

TEST_F(EngineLoopTest, ACancelledRequestEndsAndHoldsNothing) {
  const auto heard = std::make_shared<Heard>(loop_);
  const auto job = EngineLoop::NewJob();
  heard->on_text = [&] { engines_.Cancel(job); };
  ASSERT_TRUE(engines_.Submit(job, hosted_, Request(4000), heard));
  Run();
  ASSERT_EQ(heard->answers.size(), 1u);
  ASSERT_TRUE(heard->answers[0]);
  EXPECT_EQ(heard->answers[0]->reason, engine::FinishReason::kCancelled);
  EXPECT_LT(heard->answers[0]->tokens.size(), 4000u);
}

TEST_F(EngineLoopTest, CancelledBeforeItIsSubmittedARequestIsRefused) {
  const auto heard = std::make_shared<Heard>(loop_);
  const auto job = EngineLoop::NewJob();
  engines_.Cancel(job);
  ASSERT_TRUE(engines_.Submit(job, hosted_, Request(5), heard));
  Run();
  ASSERT_TRUE(heard->error);
  EXPECT_EQ(heard->error->code, ErrorCode::kCancelled);
}

TEST_F(EngineLoopTest, WhatTheSchedulerRefusesIsToldOnce) {
  const auto heard = std::make_shared<Heard>(loop_);
  auto request = Request(5);
  request.prompt = {1 << 30};
  ASSERT_TRUE(engines_.Submit(EngineLoop::NewJob(), hosted_, std::move(request), heard));
  Run();
  ASSERT_TRUE(heard->error);
  EXPECT_EQ(heard->error->code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(heard->accepted);
}

}  // namespace
}  // namespace cairn::server
