// SPDX-License-Identifier: Apache-2.0
// An answer on its way to a client of OpenAI's API, whole or as server-sent events.
//
// A stream of a chat: a chunk with the role for each choice, then their texts and calls of tools as
// they are made (of each call first its index, id and name, then its arguments) and for each
// choice, when it ends, one chunk with its finish reason; then one with the usage where it was
// asked for, then [DONE]. What fails before the first chunk is an HTTP status; later it is an
// event with an "error", and the stream ends without [DONE]. Threads: the event loop's. Cost: a
// chunk is made without a JSON tree, about a microsecond.
#pragma once

#include <memory>

#include "server/api.h"
#include "server/openai_request.h"
#include "server/openai_response.h"
#include "server/question.h"

namespace cairn::server {

std::shared_ptr<AnswerListener> MakeOpenAiListener(const CallRef& call,
                                                   const OpenAiRequest& request,
                                                   const Asked& asked);

}  // namespace cairn::server
