// SPDX-License-Identifier: Apache-2.0
// A question whose prompt is still on its way: what has come of it is computed meanwhile
// (docs/streaming.md).
//
// The prompt is told anew whenever it has changed. Of what comes while one state of it is made into
// tokens only the newest counts; the engine drops what the new tokens do not begin with any more.
// Threads: the event loop's; tokens are made where Api::Prepare runs.
// Test: tests/e2e/test_prompt_stream.py.
#pragma once

#include <memory>
#include <optional>

#include "server/question.h"

namespace cairn::server {

class StreamedQuestion : public std::enable_shared_from_this<StreamedQuestion> {
 public:
  // `question.prompt` is what there is so far.
  StreamedQuestion(CallRef call, Question question, MakeListener make);

  // The prompt as it is now; `whole`: it is complete, and the answer begins. Nothing after that.
  void Tell(Prompt prompt, bool whole);
  // What came last makes no sense: the answer fails with it.
  void Fail(const Error& error);

 private:
  void Work();
  void Encode(const std::shared_ptr<const ServedModel>& model);
  [[nodiscard]] Result<PromptTokens> WithGrammar(const Prompt& prompt, PromptTokens tokens);
  void Encoded(const std::shared_ptr<const ServedModel>& model, Result<PromptTokens> prompt,
               bool whole);
  void Start(const std::shared_ptr<const ServedModel>& model, PromptTokens prompt);

  CallRef call_;
  Question question_;
  MakeListener make_;
  Prompt prompt_;       // as it was told last
  bool whole_ = false;  // it is complete
  bool news_ = false;   // the engine does not have prompt_ and whole_ yet
  bool busy_ = false;   // tokens are being made
  bool failed_ = false;
  EngineLoop::JobRef job_;  // once it was submitted
  // Why the answer fails, for who hears that it was cancelled.
  std::shared_ptr<std::optional<Error>> reason_ = std::make_shared<std::optional<Error>>();
};

}  // namespace cairn::server
