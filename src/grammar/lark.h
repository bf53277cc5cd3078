// SPDX-License-Identifier: Apache-2.0
// Grammars in Lark's notation: start: "a" NAME (", " NAME)*, NAME: /[a-z]+/, %ignore " ".
//
// The rule `start` is what is matched. Taken: rules and terminals, literals ("..", "..."i,
// "a".."z"), regular expressions (/../, /../i; regex.h), groups, [..] for what may be left out, ? *
// + ~n ~n..m {n} {n,} {n,m}, %ignore, %import of terminals of `common`, comments. What shapes trees
// alone is read and means nothing here: ?rule, !rule, -> name. All else is refused by its name:
// priorities, templates, %declare, %override, %extend, imports of others, other flags, special
// tokens.
//
// There is no lexer: a terminal stands for all it matches, wherever a rule has it, not for the
// longest. What is ignored may come after each terminal, up to kMostIgnored times, characters of
// one class (/\s+/) up to kMostIgnoredBlanks.
// Threads: pure functions. Test: lark_test.cc.
#pragma once

#include <memory>
#include <string_view>

#include "base/error.h"
#include "grammar/grammar.h"

namespace cairn::grammar {

inline constexpr std::uint32_t kMostIgnored = 16;
inline constexpr std::uint32_t kMostIgnoredBlanks = 32;

// Errors: kInvalidArgument (with the line), kLimit, kUnsupported (with what is not taken).
[[nodiscard]] Result<std::shared_ptr<const Grammar>> CompileLark(std::string_view text);

// A grammar whose first statement is one of Lark's, not of GBNF (gbnf.h).
bool LooksLikeLark(std::string_view text);

}  // namespace cairn::grammar
