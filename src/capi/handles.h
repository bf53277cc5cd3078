// SPDX-License-Identifier: Apache-2.0
// What the opaque handles of cairn.h are.
// Threads: as cairn.h says of each. Owns: each shares what it needs, so that handles may be freed
//   in any order.
#pragma once

#include <atomic>
#include <boost/json/array.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cairn/cairn.h"
#include "capi/guard.h"
#include "capi/shared_engine.h"
#include "engine/embedder.h"
#include "model/model.h"
#include "model/prompt.h"

namespace cairn::capi {

// A conversation; shared by a chat and the request that is its last question.
struct Conversation {
  std::shared_ptr<SharedEngine> engine;
  model::ChatPrompt prompt;
  std::size_t kept = 0;  // messages that Clear leaves: the system's
  boost::json::array messages;

  void Add(std::string_view role, std::string_view content);
};

// Errors: as cairn_submit and cairn_chat_submit.
[[nodiscard]] Result<std::unique_ptr<cairn_request>> SubmitPrompt(
    std::shared_ptr<SharedEngine> engine, std::vector<std::int32_t> prompt,
    const cairn_generate_options* options);

// Reads a request to its end. Errors: what the answer failed with.
[[nodiscard]] Result<void> ReadAll(cairn_request& request, cairn_sink sink, void* user,
                                   cairn_answer** answer);

// The instruction set of that name; null: $CAIRN_ISA, else the best. Errors: as ChooseIsa.
[[nodiscard]] Result<kernels::Isa> IsaOf(const char* isa);

// *count = values.size(), and as many of them as there is room for. Errors: kInvalidArgument.
template <typename T, typename Values>
[[nodiscard]] Result<void> CopyOut(const Values& values, T* to, std::size_t capacity,
                                   std::size_t* count) {
  OR_RETURN(NeedPointer(count, "count"));
  if (capacity > 0) OR_RETURN(NeedPointer(to, "place for the result"));
  std::copy_n(values.begin(), std::min(capacity, values.size()), to);
  *count = values.size();
  return {};
}

}  // namespace cairn::capi

// What was given the flag shares it.
struct cairn_cancel {
  std::shared_ptr<std::atomic<bool>> requested = std::make_shared<std::atomic<bool>>(false);
};

struct cairn_model {
  std::shared_ptr<const cairn::model::Model> model;
};

struct cairn_engine {
  std::shared_ptr<cairn::capi::SharedEngine> shared;
};

struct cairn_embedder {
  std::unique_ptr<cairn::engine::Embedder> embedder;  // Run with `turn` held
  std::timed_mutex turn;
  std::atomic<std::thread::id> holder;  // of `turn`; the default id: nobody
};

struct cairn_answer {
  cairn::engine::Answer answer;
};

struct cairn_request {
  std::shared_ptr<cairn::capi::SharedEngine> shared;
  std::shared_ptr<cairn::capi::Pending> pending;
  std::string text;  // of the last event
  // Of a chat: where the question and its answer go once it has ended.
  std::shared_ptr<cairn::capi::Conversation> conversation;
  std::string question;

  ~cairn_request();
};

struct cairn_chat {
  std::shared_ptr<cairn::capi::Conversation> conversation;
};

struct cairn_sequence {
  std::shared_ptr<cairn::capi::SharedEngine> shared;
  std::optional<cairn::engine::Sequence> sequence;  // touched with a turn only
  // All of them; those from sequence->size() on were computed and have lost what they looked back
  // at, and are computed again by the next append.
  std::vector<std::int32_t> tokens;

  ~cairn_sequence();
};
