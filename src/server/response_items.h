// SPDX-License-Identifier: Apache-2.0
// Items of OpenAI's Responses API: the parts of a conversation, where messages, calls and their
// results stand side by side.
// Threads: pure functions.
// Errors: kInvalidArgument, kUnsupported; they name the place.
// Test: dialect_requests_test.cc.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace cairn::server {

[[nodiscard]] Result<const boost::json::object*> ObjectAt(const boost::json::value& value,
                                                          const std::string& place);

// An item behind the messages that a chat has. A call and its result are items of their own;
// thoughts that come back are left out, as templates leave out those of earlier turns.
[[nodiscard]] Result<void> AddItem(const boost::json::value& item, const std::string& place,
                                   boost::json::array& messages);

// A good item as it is told again: with its type, its content in parts, and its own name, or `id`.
boost::json::object KeptItem(boost::json::object item, std::string_view id);

}  // namespace cairn::server
