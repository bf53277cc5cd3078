// SPDX-License-Identifier: Apache-2.0
// What an answer must be, as people write it: a schema, a grammar, a regular expression, choices.
//
// Threads: an AnswerForm is a plain value; CompileForm is pure; CompiledForms from any thread.
// Owns: CompiledForms its grammars, those that were used last, as long as they are small together.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/grammar.h"

namespace cairn::grammar {

enum class FormKind {
  kJsonObject,  // any JSON object; the text is empty
  kJsonSchema,  // a JSON schema
  kGrammar,     // in GBNF or in Lark's notation, as its first statement says
  kGbnf,
  kLark,
  kRegex,
  kChoices,    // a JSON array of strings, of which the answer is one
  kToolCalls,  // as FormOfToolCalls writes it (tool_calls.h)
};

struct AnswerForm {
  FormKind kind = FormKind::kJsonObject;
  std::string text;
  bool operator==(const AnswerForm&) const = default;
};

inline constexpr std::size_t kMostFormBytes = std::size_t{1} << 20;

// Errors: kInvalidArgument, kUnsupported, kLimit, in words for who wrote it. At most about 100 ms
// and 64 MiB, whatever it is.
[[nodiscard]] Result<std::shared_ptr<const Grammar>> CompileForm(const AnswerForm& form);
// The text of choices.
AnswerForm FormOfChoices(const std::vector<std::string>& choices);

// Compiles a form once where it comes again: its masks then are there too.
class CompiledForms {
 public:
  [[nodiscard]] Result<std::shared_ptr<const Grammar>> Get(const AnswerForm& form);

 private:
  struct Kept {
    AnswerForm form;
    std::shared_ptr<const Grammar> grammar;
    std::size_t bytes = 0;
  };
  static constexpr std::size_t kMostKept = 64;
  static constexpr std::size_t kMostKeptBytes = std::size_t{64} << 20;

  std::mutex mutex_;
  std::list<Kept> kept_;  // the last used first
  std::size_t bytes_ = 0;
};

}  // namespace cairn::grammar
