// SPDX-License-Identifier: Apache-2.0
// How a model is told of tools and of calls: by its template, or in words of ours
// (docs/tools.md).
// Threads: pure functions. Test: tool_prompt_test.cc.
#pragma once

#include <boost/json/value.hpp>

#include "grammar/tool_formats.h"
#include "model/prompt.h"
#include "server/tool_use.h"

namespace cairn::server {

// What a template does with tools and calls: found out by giving it some.
struct ToolTemplate {
  // How it writes calls; the generic form where that is none of the known ones.
  const grammar::ToolFormat* format = &grammar::GenericToolFormat();
  bool writes_calls = false;    // it does; else calls and results become plain messages
  bool shows_tools = false;     // and it tells of tools; else a message does
  bool takes_system = true;     // it has a place for a system message
  bool null_content = false;    // of a message with calls it wants no content
  bool text_arguments = false;  // it wants arguments as a text
};
ToolTemplate ToolTemplateOf(const model::ChatPrompt& chat);

// The conversation as the template reads it.
struct ToolConversation {
  boost::json::value messages;
  boost::json::value tools;  // null where the messages tell of them
};
// Requires messages as ReadMessages gives them.
ToolConversation WriteTools(boost::json::value messages, const ToolUse& use,
                            const ToolTemplate& how);

}  // namespace cairn::server
