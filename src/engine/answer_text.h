// SPDX-License-Identifier: Apache-2.0
// The text of an answer while it grows: whole characters, held back where a stop string may begin.
// Threads: one at a time. The tokenizer must outlive the object.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/answer.h"
#include "engine/stop_strings.h"
#include "model/tokenizer.h"

namespace cairn::engine {

class AnswerText {
 public:
  AnswerText(const model::Tokenizer& tokenizer, std::vector<std::string> stop, TextSink sink)
      : tokenizer_(tokenizer),
        decoder_(tokenizer),
        stops_(std::move(stop)),
        sink_(std::move(sink)) {}

  // What the token ends the answer with, if it does.
  std::optional<FinishReason> Take(std::int32_t token);
  // No token follows: what was held back is text. True where that completed a stop string (an
  // unfinished character at the end reads as U+FFFD).
  bool Finish();
  const std::string& text() const { return text_; }
  // The stop string that ended it, empty where none did.
  const std::string& stop() const { return stops_.match(); }

 private:
  void Emit(std::string_view text);

  const model::Tokenizer& tokenizer_;
  model::StreamDecoder decoder_;
  StopStrings stops_;
  TextSink sink_;
  std::string text_;
  bool wanted_ = true;  // the sink has not cancelled
};

}  // namespace cairn::engine
