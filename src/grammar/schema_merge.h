// SPDX-License-Identifier: Apache-2.0
// Two schemas that both must hold, as one. Private to src/grammar.
// Threads: pure functions.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <string>

#include "base/error.h"

namespace cairn::grammar {

// What joining may cost in all, in JSON values that are copied: schemas that refer to themselves
// from several places could go on for ever.
struct MergeBudget {
  std::size_t values = 100'000;
  // Errors: kLimit.
  [[nodiscard]] Result<void> Take(const boost::json::value& value);
};

// The schema of what fits both; false where nothing does. Parts that both speak of become an allOf
// of the two. Requires: neither has $ref or allOf.
// Errors: kUnsupported, naming the keyword that both have and that cannot be joined; kLimit.
[[nodiscard]] Result<boost::json::value> MergeSchemas(const boost::json::object& a,
                                                      const boost::json::object& b,
                                                      MergeBudget& budget);

}  // namespace cairn::grammar
