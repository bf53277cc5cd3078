// SPDX-License-Identifier: Apache-2.0
// Grammars in GBNF, the notation of llama.cpp's files: name ::= "text" [a-z] (a | b)* c{2,5}.
//
// The rule `root` is what is matched. Taken: literals with \n \r \t \\ \" \[ \] \xHH \uHHHH
// \UHHHHHHHH, classes, . (any character), groups, * + ? {n} {n,} {n,m}, comments from # on. An
// alternative may stand on a line of its own that begins with |. Left recursion: see grammar.h.
// Threads: pure functions. Test: gbnf_test.cc.
#pragma once

#include <memory>
#include <string_view>

#include "base/error.h"
#include "grammar/grammar.h"

namespace cairn::grammar {

inline constexpr std::size_t kMostGrammarBytes = std::size_t{1} << 20;

// Errors: kInvalidArgument (with the line), kLimit, kUnsupported (left recursion).
[[nodiscard]] Result<std::shared_ptr<const Grammar>> CompileGbnf(std::string_view text);

}  // namespace cairn::grammar
