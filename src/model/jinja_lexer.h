// SPDX-License-Identifier: Apache-2.0
// Cuts a template into tokens, with the whitespace rules of trim_blocks and lstrip_blocks.
// Threads: pure function.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/jinja_text.h"

namespace cairn::model::jinja {

enum class TokenKind {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // data, name, value of a string (escapes resolved), digits, operator
  int line = 1;
};

// `source` must be well-formed UTF-8. The last token is kEnd. Throws Failure (kInvalidArgument,
// with the line) where Jinja2 reports a syntax error.
std::vector<Token> Lex(std::string_view source);

}  // namespace cairn::model::jinja
