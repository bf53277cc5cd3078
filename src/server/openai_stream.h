// SPDX-License-Identifier: Apache-2.0
// An answer on its way to a client of OpenAI's API, whole or as server-sent events.
//
// A stream of a chat: a chunk with the role for each choice, then their texts as they are made,
// then for each choice one chunk with its finish reason, then one with the usage where it was asked
// for, then [DONE]. What fails before the first chunk is an HTTP status; later it is an event with
// an "error", and the stream ends without [DONE]. Threads: the event loop's. Cost: a chunk is made
// without a JSON tree, about a microsecond.
#pragma once

#include <memory>

#include "server/api.h"
#include "server/openai_request.h"
#include "server/openai_response.h"

namespace cairn::server {

struct OpenAiStyle {
  Endpoint endpoint = Endpoint::kChat;
  bool stream = false;
  bool usage = false;  // of a stream: a chunk with it
  int choices = 1;
};

std::shared_ptr<AnswerListener> MakeOpenAiListener(const CallRef& call, const OpenAiStyle& style,
                                                   std::string model);

}  // namespace cairn::server
