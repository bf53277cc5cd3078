// SPDX-License-Identifier: Apache-2.0
// Whether at most one of several schemas can fit a value: then oneOf is anyOf.
// Private to src/grammar. Threads: pure functions.
#pragma once

#include <boost/json/value.hpp>
#include <span>

#include "base/error.h"

namespace cairn::grammar {

// Schemas are told apart by their types, by the values that they list (const, enum), by a member
// that both require and that has different values (a tag), or by one that the first requires and
// the second does not know. Requires objects without $ref and allOf.
// Errors: kUnsupported where two are not; kLimit.
[[nodiscard]] Result<void> CheckApart(std::span<const boost::json::value> ways);

}  // namespace cairn::grammar
