// SPDX-License-Identifier: Apache-2.0
// JSON text of a value, on one line, with numbers as people write them (0.25, not 2.5E-1).
// Threads: a pure function.
#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace cairn::apps {

// Numbers that are not finite become null: JSON has no word for them. Strings must be UTF-8.
std::string ToJson(const boost::json::value& value);

}  // namespace cairn::apps
