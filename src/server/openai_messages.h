// SPDX-License-Identifier: Apache-2.0
// Messages and tools of a chat request, checked and brought into the form that templates read.
// Threads: pure functions.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"

namespace cairn::server {

// As OpenAiRequest::messages says. Errors: kInvalidArgument, kUnsupported (parts that are no text),
// kLimit.
[[nodiscard]] Result<boost::json::value> ReadMessages(const boost::json::object& body);

// Null where there are none or tool_choice is "none". Errors: as ReadMessages; kUnsupported where a
// call is required.
[[nodiscard]] Result<boost::json::value> ReadTools(const boost::json::object& body);

}  // namespace cairn::server
