// SPDX-License-Identifier: Apache-2.0
// Messages of a chat request, checked and brought into the form that templates read.
// Threads: pure functions.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "server/json_members.h"

namespace cairn::server {

// The member `messages` of a body: not empty, not too long. Errors: kInvalidArgument, kLimit.
[[nodiscard]] Result<const boost::json::array*> ListOfMessages(const Members& members);

// As OpenAiRequest::messages says. Errors: kInvalidArgument, kUnsupported (parts that are no text),
// kLimit.
[[nodiscard]] Result<boost::json::value> ReadMessages(const boost::json::object& body);

// The text of an assistant's message at the end of what ReadMessages gave, taken off where others
// stand before it.
std::optional<std::string> TakeBegun(boost::json::array& messages);

// chat_template_kwargs: further variables of the template. Errors: kInvalidArgument.
[[nodiscard]] Result<boost::json::object> ReadTemplateVariables(const boost::json::object& body);

}  // namespace cairn::server
