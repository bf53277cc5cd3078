// SPDX-License-Identifier: Apache-2.0
#include "server/dialect.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <utility>

namespace cairn::server {
namespace {

void BeginStream(const CallRef& call, const char* type) {
  call->exchange->Begin({.type = type,
                         .headers = {{"Cache-Control", "no-cache"},
                                     {"X-Accel-Buffering", "no"},
                                     {"x-request-id", call->id}}});
}

}  // namespace

void BeginEvents(const CallRef& call) { BeginStream(call, "text/event-stream; charset=utf-8"); }
void BeginLines(const CallRef& call) { BeginStream(call, "application/x-ndjson"); }

void WriteEvent(const CallRef& call, std::string_view name, const boost::json::object& data) {
  const std::string text = boost::json::serialize(data);
  call->exchange->Write(name.empty() ? fmt::format("data: {}\n\n", text)
                                     : fmt::format("event: {}\ndata: {}\n\n", name, text));
}

void WriteLine(const CallRef& call, const boost::json::object& data) {
  call->exchange->Write(boost::json::serialize(data) + "\n");
}

namespace {

Asked Separating(Asked asked, bool thoughts) {
  if (!thoughts) asked.parts.reasoning.reset();
  return asked;
}

}  // namespace

AnswerTeller::AnswerTeller(CallRef call, const Asked& asked, bool stream, bool separate)
    : call_(std::move(call)),
      asked_(Separating(asked, separate)),
      stream_(stream),
      reader_(asked_.parts) {}

void AnswerTeller::Refused(const Error& error) { call_->Fail(error); }

void AnswerTeller::Accepted() {
  if (stream_) Begin();
}

void AnswerTeller::Piece(int /*choice*/, const engine::AnswerPiece& piece) {
  if (!stream_) return;
  if (!piece.tokens.empty()) Tokens(piece.tokens);
  Tell(reader_.Push(piece.text));
}

void AnswerTeller::Tell(const std::vector<AnswerEvent>& events) {
  for (const AnswerEvent& event : events) {
    switch (event.kind) {
      case AnswerEvent::Kind::kThought: Thought(event.text); break;
      case AnswerEvent::Kind::kText: Said(event.text); break;
      case AnswerEvent::Kind::kCall: Calls(IdOfCall(event.call), event.text); break;
      case AnswerEvent::Kind::kArguments: Arguments(event.text); break;
    }
  }
}

void AnswerTeller::Done(std::vector<Result<engine::Answer>> answers) {
  const auto& answer = answers.front();
  if (!answer) {
    if (!stream_) return call_->Fail(answer.error());
    Broken(ApiErrorOf(answer.error()));
    return call_->exchange->End();
  }
  if (stream_) {
    Tell(reader_.Finish());
    End(*answer);
    return call_->exchange->End();
  }
  Whole(ReadWhole(asked_.parts, answer->text), *answer);
}

}  // namespace cairn::server
