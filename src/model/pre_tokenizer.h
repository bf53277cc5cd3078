// SPDX-License-Identifier: Apache-2.0
// Cuts text into words before byte-pair encoding, by the patterns of pre_tokenizer_table.h that a
// file names in 'tokenizer.ggml.pre'.
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
  // `name`: of a row of pre_tokenizer_table.h. Errors: kUnsupported for another name, saying how
  // to force a known one.
  [[nodiscard]] static Result<PreTokenizer> Create(std::string_view name);
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

  // Calls word(text) for the words of a well-formed text, in order; together they are the text.
  // Errors: kLimit where a pattern gives up, which the known patterns never do.
  [[nodiscard]] Result<void> Split(std::string_view text,
                                   const std::function<void(std::string_view)>& word) const;

  struct Step;  // private to pre_tokenizer.cc

 private:
  struct State;
  explicit PreTokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::model
