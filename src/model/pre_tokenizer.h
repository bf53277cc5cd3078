// SPDX-License-Identifier: Apache-2.0
// Cuts text into words before byte-pair encoding, by the patterns that a file names in
// 'tokenizer.ggml.pre'.
// Threads: immutable after Create; Split may run on many threads at once.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::model {

class PreTokenizer {
 public:
  // Errors: kUnsupported for an unknown name, listing the known ones.
  [[nodiscard]] static Result<PreTokenizer> Create(std::string_view name);
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

  // Calls word(text) for the words of a well-formed text, in order; together they are the text.
  // Errors: kLimit where a pattern gives up, which the known patterns never do.
  [[nodiscard]] Result<void> Split(std::string_view text,
                                   const std::function<void(std::string_view)>& word) const;

 private:
  struct State;
  explicit PreTokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::model
