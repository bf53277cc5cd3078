// SPDX-License-Identifier: Apache-2.0
#include "engine/answer_text.h"

namespace cairn::engine {

std::string_view FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEndOfTurn: return "end of turn";
    case FinishReason::kStopString: return "stop string";
    case FinishReason::kLength: return "length";
    case FinishReason::kContext: return "context";
    case FinishReason::kCancelled: return "cancelled";
  }
  return "?";
}

std::optional<FinishReason> AnswerText::Take(std::int32_t token) {
  if (tokenizer_.IsEndOfGeneration(token)) return FinishReason::kEndOfTurn;
  Emit(stops_.Push(decoder_.Push(token)));
  if (stops_.found()) return FinishReason::kStopString;
  if (!wanted_) return FinishReason::kCancelled;
  return std::nullopt;
}

bool AnswerText::Finish() {
  const bool found_before = stops_.found();
  Emit(stops_.Push(decoder_.Finish()));
  Emit(stops_.Finish());
  return stops_.found() && !found_before;
}

void AnswerText::Emit(std::string_view text) {
  if (text.empty() || !wanted_) return;
  text_ += text;
  if (sink_) wanted_ = sink_(text);
}

}  // namespace cairn::engine
