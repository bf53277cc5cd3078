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

AnswerTeller::AnswerTeller(CallRef call, const Asked& asked, bool stream, bool separate)
    : call_(std::move(call)), asked_(asked), stream_(stream) {
  const auto& marks = asked.model->face.reasoning;
  if (separate && marks) splitter_.emplace(*marks, asked.thinking);
}

void AnswerTeller::Refused(const Error& error) { call_->Fail(error); }

void AnswerTeller::Accepted() {
  if (stream_) Begin();
}

void AnswerTeller::Piece(int /*choice*/, const engine::AnswerPiece& piece) {
  if (!stream_) return;
  if (!piece.tokens.empty()) Tokens(piece.tokens);
  Tell(splitter_ ? splitter_->Push(piece.text)
                 : Parts{.reasoning = {}, .content = std::string(piece.text)});
}

void AnswerTeller::Tell(const Parts& parts) {
  if (!parts.reasoning.empty()) Thought(parts.reasoning);
  if (!parts.content.empty()) Said(parts.content);
}

void AnswerTeller::Done(std::vector<Result<engine::Answer>> answers) {
  const auto& answer = answers.front();
  if (!answer) {
    if (!stream_) return call_->Fail(answer.error());
    Broken(ApiErrorOf(answer.error()));
    return call_->exchange->End();
  }
  if (stream_) {
    if (splitter_) Tell(splitter_->Finish());
    End(*answer);
    return call_->exchange->End();
  }
  Parts parts{.reasoning = {}, .content = answer->text};
  if (splitter_) {
    parts = splitter_->Push(answer->text);
    const Parts rest = splitter_->Finish();
    parts.reasoning += rest.reasoning;
    parts.content += rest.content;
  }
  Whole(parts, *answer);
}

}  // namespace cairn::server
