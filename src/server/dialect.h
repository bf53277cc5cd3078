// SPDX-License-Identifier: Apache-2.0
// What dialects with one answer to a request share: the order of a stream, thoughts told apart, and
// the forms that events and lines have.
// Threads: the event loop's.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/answer_reader.h"
#include "server/api.h"
#include "server/question.h"

namespace cairn::server {

// Heads of streams: server-sent events, and JSON lines.
void BeginEvents(const CallRef& call);
void BeginLines(const CallRef& call);
// One event with its name (empty: none), and one line.
void WriteEvent(const CallRef& call, std::string_view name, const boost::json::object& data);
void WriteLine(const CallRef& call, const boost::json::object& data);

// An answer as its dialect tells it. Of a stream: Begin, then Thought, Said and calls of tools as
// the text is made, then End or Broken. Else: Whole. What fails before is answered in the call's
// form.
class AnswerTeller : public AnswerListener {
 public:
  // `separate`: thoughts are told apart where the model's template knows them.
  AnswerTeller(CallRef call, const Asked& asked, bool stream, bool separate);

  void Refused(const Error& error) final;
  void Accepted() final;
  bool wants_pieces() const final { return stream_; }
  void Piece(int choice, const engine::AnswerPiece& piece) final;
  void Done(std::vector<Result<engine::Answer>> answers) final;

 protected:
  virtual void Begin() {}
  virtual void Thought(std::string_view /*text*/) {}
  virtual void Said(std::string_view text) = 0;
  virtual void Calls(const std::string& /*id*/, std::string_view /*tool*/) {}  // a call begins
  virtual void Arguments(std::string_view /*text*/) {}  // of the last call: a part of their text
  virtual void Tokens(std::span<const engine::TokenLikelihoods> /*tokens*/) {}  // before their text
  virtual void End(const engine::Answer& answer) = 0;
  virtual void Broken(const ApiError& error) = 0;
  virtual void Whole(const ReadAnswer& read, const engine::Answer& answer) = 0;

  const CallRef& call() const { return call_; }
  const ServedModel& model() const { return *asked_.model; }
  std::int64_t prompt_tokens() const { return asked_.prompt_tokens; }
  // Of the answer's call with that number, and whether it ended with calls.
  std::string IdOfCall(int number) const { return ToolCallId(call_->id, 0, number); }
  static bool EndedWithCalls(const engine::Answer& answer, std::size_t calls) {
    return calls > 0 && answer.reason == engine::FinishReason::kEndOfTurn;
  }

 private:
  void Tell(const std::vector<AnswerEvent>& events);

  CallRef call_;
  Asked asked_;
  bool stream_;
  AnswerReader reader_;  // of a stream
};

}  // namespace cairn::server
