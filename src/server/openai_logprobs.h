// SPDX-License-Identifier: Apache-2.0
// The "logprobs" of OpenAI's choices: natural logarithms from the model's own distribution
// (docs/canonical.md, section 10).
// Threads: one writer for one choice; the tokenizer must outlive it.
// Test: openai_response_test.cc.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <span>

#include "engine/likelihood.h"
#include "model/tokenizer.h"
#include "server/openai_request.h"

namespace cairn::server {

class LogprobsWriter {
 public:
  LogprobsWriter(Endpoint endpoint, const model::Tokenizer& tokenizer)
      : endpoint_(endpoint), tokenizer_(tokenizer) {}

  // Of the choice's next tokens.
  boost::json::value Write(std::span<const engine::TokenLikelihoods> tokens);

 private:
  boost::json::value WriteChat(std::span<const engine::TokenLikelihoods> tokens) const;
  boost::json::value WritePlain(std::span<const engine::TokenLikelihoods> tokens);

  Endpoint endpoint_;
  const model::Tokenizer& tokenizer_;
  std::int64_t offset_ = 0;  // of the next token in the text, in characters
};

}  // namespace cairn::server
