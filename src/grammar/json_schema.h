// SPDX-License-Identifier: Apache-2.0
// JSON Schema (draft 2020-12) as rules of a grammar.
//
// Every text of the grammar is JSON that the schema accepts; some that the schema accepts are left
// out (docs/structured-output.md says which). A keyword that is not taken is an error that names it
// and where it stands; annotations are let through. White space between tokens is bounded.
// Threads: pure functions. Test: json_schema_test.cc, tests/e2e/test_structured.py.
#pragma once

#include <boost/json/value.hpp>
#include <memory>

#include "base/error.h"
#include "grammar/grammar.h"
#include "grammar/json_text.h"

namespace cairn::grammar {

// Arrays and objects inside one another, where the schema itself sets no bound.
inline constexpr std::uint32_t kMostJsonLevels = 100;

// The schema's values, as a part of a larger grammar. Its references are looked up in itself.
// Errors: kUnsupported (a keyword), kInvalidArgument (a keyword's value), kLimit.
[[nodiscard]] Result<ExpressionId> ReadJsonSchema(Expressions& expressions, JsonText& text,
                                                  const boost::json::value& schema);

// Alone. Errors: also kInvalidArgument where nothing can match.
[[nodiscard]] Result<std::shared_ptr<const Grammar>> CompileJsonSchema(
    const boost::json::value& schema);

// Any JSON object.
[[nodiscard]] Result<std::shared_ptr<const Grammar>> CompileJsonObject();

}  // namespace cairn::grammar
