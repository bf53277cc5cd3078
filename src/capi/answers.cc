// SPDX-License-Identifier: Apache-2.0
// Answers and requests (cairn.h).
#include "engine/answers.h"

#include <fmt/format.h>

#include <chrono>

#include "capi/handles.h"
#include "capi/structs.h"

namespace cairn::capi {
namespace {

constexpr std::size_t kGenerateOptionsV0 = 96;
constexpr std::size_t kAnswerInfoV0 = 80;
constexpr std::size_t kEventV0 = 32;
constexpr std::size_t kMostStops = 1024;
constexpr std::int64_t kForEverMs = std::int64_t{1} << 40;

cairn_generate_options Defaults() {
  const engine::SamplingOptions sampling;
  return {.size = sizeof(cairn_generate_options),
          .max_tokens = -1,
          .temperature = sampling.temperature,
          .top_p = sampling.top_p,
          .min_p = sampling.min_p,
          .repeat_penalty = sampling.repeat_penalty,
          .presence_penalty = sampling.presence_penalty,
          .frequency_penalty = sampling.frequency_penalty,
          .top_k = sampling.top_k,
          .repeat_window = sampling.repeat_window,
          .choices = 1};
}

Result<std::vector<std::string>> StopsOf(const cairn_generate_options& o) {
  if (o.stop_count > kMostStops) {
    return Fail(ErrorCode::kLimit,
                fmt::format("{} stop texts, expected at most {}", o.stop_count, kMostStops));
  }
  if (o.stop_count > 0) OR_RETURN(NeedPointer(o.stop, "list of stop texts"));
  std::vector<std::string> stops;
  for (std::size_t i = 0; i < o.stop_count; ++i) {
    OR_RETURN(NeedPointer(o.stop[i], "stop text"));
    if (*o.stop[i] != '\0') stops.emplace_back(o.stop[i]);
  }
  return stops;
}

Result<engine::AnswerRequest> RequestOf(std::vector<std::int32_t> prompt,
                                        const cairn_generate_options& o) {
  if (o.max_tokens < -1) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("max_tokens is {}, expected -1 or more", o.max_tokens));
  }
  return engine::AnswerRequest{.prompt = std::move(prompt),
                               .options = {.max_tokens = o.max_tokens,
                                           .ignore_end = o.ignore_end != 0,
                                           .stop = OR_RETURN(StopsOf(o)),
                                           .sampling = {.temperature = o.temperature,
                                                        .top_k = o.top_k,
                                                        .top_p = o.top_p,
                                                        .min_p = o.min_p,
                                                        .seed = o.seed,
                                                        .repeat_penalty = o.repeat_penalty,
                                                        .presence_penalty = o.presence_penalty,
                                                        .frequency_penalty = o.frequency_penalty,
                                                        .repeat_window = o.repeat_window}},
                               .choices = o.choices,
                               .priority = o.priority,
                               .use_cache = o.no_cache == 0};
}

Result<cairn_generate_options> Read(const cairn_generate_options* options) {
  return ReadStruct("cairn_generate_options", options, kGenerateOptionsV0, Defaults());
}

SharedEngine::Deadline DeadlineOf(std::int64_t milliseconds) {
  if (milliseconds < 0 || milliseconds > kForEverMs) return std::nullopt;
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
}

std::int32_t ReasonOf(engine::FinishReason reason) {
  switch (reason) {
    case engine::FinishReason::kEndOfTurn: return CAIRN_END_OF_TURN;
    case engine::FinishReason::kStopString: return CAIRN_STOP_TEXT;
    case engine::FinishReason::kLength: return CAIRN_MAX_TOKENS;
    case engine::FinishReason::kContext: return CAIRN_CONTEXT_FULL;
    case engine::FinishReason::kCancelled: break;
  }
  return CAIRN_WAS_CANCELLED;
}

// The next piece within the time; the request's conversation grows when it has ended.
Result<std::optional<Piece>> Next(cairn_request& request, std::int64_t milliseconds) {
  SharedEngine& shared = *request.shared;
  auto piece = milliseconds == 0
                   ? shared.Take(*request.pending)
                   : OR_RETURN(shared.Wait(*request.pending, DeadlineOf(milliseconds)));
  if (piece || !shared.Ended(*request.pending) || request.conversation == nullptr) return piece;
  const auto& answer = shared.AnswersOf(*request.pending).front();
  if (answer && (answer->reason != engine::FinishReason::kCancelled || !answer->text.empty())) {
    request.conversation->Add("user", request.question);
    request.conversation->Add("assistant", answer->text);
  }
  request.conversation.reset();
  return piece;
}

Result<std::unique_ptr<cairn_answer>> AnswerOf(cairn_request& request, std::int32_t choice) {
  if (!request.shared->Ended(*request.pending)) {
    return Fail(ErrorCode::kInvalidArgument,
                "the request has not ended, or its texts were not all read");
  }
  const auto& answers = request.shared->AnswersOf(*request.pending);
  if (choice < 0 || static_cast<std::size_t>(choice) >= answers.size()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("choice is {}, expected 0 to {}", choice, answers.size() - 1));
  }
  return std::make_unique<cairn_answer>(OR_RETURN(answers[static_cast<std::size_t>(choice)]));
}

}  // namespace

Result<std::unique_ptr<cairn_request>> SubmitPrompt(std::shared_ptr<SharedEngine> engine,
                                                    std::vector<std::int32_t> prompt,
                                                    const cairn_generate_options* options) {
  const cairn_generate_options o = OR_RETURN(Read(options));
  auto request = std::make_unique<cairn_request>();
  request->pending = OR_RETURN(engine->Submit(OR_RETURN(RequestOf(std::move(prompt), o)),
                                              o.cancel == nullptr ? nullptr : o.cancel->requested));
  request->shared = std::move(engine);
  return request;
}

Result<void> ReadAll(cairn_request& request, cairn_sink sink, void* user, cairn_answer** answer) {
  bool wanted = sink != nullptr;
  while (true) {
    const auto piece = OR_RETURN(Next(request, -1));
    if (!piece && request.shared->Ended(*request.pending)) break;
    if (!piece || !wanted || piece->choice != 0) continue;
    if (sink(user, piece->text.data(), piece->text.size()) == 0) continue;
    wanted = false;
    request.shared->Cancel(*request.pending);
  }
  auto made = OR_RETURN(AnswerOf(request, 0));
  if (answer != nullptr) *answer = made.release();
  return {};
}

}  // namespace cairn::capi

using namespace cairn;        // NOLINT(google-build-using-namespace): definitions of cairn.h
using namespace cairn::capi;  // NOLINT(google-build-using-namespace)

cairn_status cairn_cancel_new(cairn_cancel** cancel, cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(cancel, "place for the cancel"));
    *cancel = new cairn_cancel;
    return {};
  });
}

void cairn_cancel_request(cairn_cancel* cancel) {
  if (cancel != nullptr) cancel->requested->store(true);
}

int32_t cairn_cancel_requested(const cairn_cancel* cancel) {
  return cancel != nullptr && cancel->requested->load() ? 1 : 0;
}

void cairn_cancel_reset(cairn_cancel* cancel) {
  if (cancel != nullptr) cancel->requested->store(false);
}

void cairn_cancel_free(cairn_cancel* cancel) { delete cancel; }

void cairn_generate_options_init(cairn_generate_options* options, size_t size) {
  InitStruct(options, size, kGenerateOptionsV0, Defaults());
}

cairn_status cairn_generate(cairn_engine* engine, const int32_t* prompt, size_t count,
                            const cairn_generate_options* options, cairn_sink sink, void* user,
                            cairn_answer** answer, cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(engine, "engine"));
    OR_RETURN(NeedPointer(prompt, "prompt"));
    auto request = OR_RETURN(SubmitPrompt(engine->shared, {prompt, prompt + count}, options));
    return ReadAll(*request, sink, user, answer);
  });
}

cairn_status cairn_submit(cairn_engine* engine, const int32_t* prompt, size_t count,
                          const cairn_generate_options* options, cairn_request** request,
                          cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(engine, "engine"));
    OR_RETURN(NeedPointer(prompt, "prompt"));
    OR_RETURN(NeedPointer(request, "place for the request"));
    *request = OR_RETURN(SubmitPrompt(engine->shared, {prompt, prompt + count}, options)).release();
    return {};
  });
}

cairn_request::~cairn_request() {
  if (pending != nullptr) shared->Cancel(*pending);  // what has ended takes no notice
}

void cairn_request_free(cairn_request* request) { delete request; }

cairn_status cairn_request_cancel(cairn_request* request, cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(request, "request"));
    request->shared->Cancel(*request->pending);
    return {};
  });
}

cairn_status cairn_request_next(cairn_request* request, int64_t milliseconds, cairn_event* event,
                                cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(request, "request"));
    OR_RETURN(NeedPointer(event, "event"));
    OR_RETURN(CheckSize("cairn_event", event->size, kEventV0));
    auto piece = OR_RETURN(Next(*request, milliseconds));
    cairn_event filled{.size = sizeof(cairn_event), .text = "", .kind = CAIRN_NOTHING};
    if (piece) {
      request->text = std::move(piece->text);
      filled.text = request->text.c_str();
      filled.length = request->text.size();
      filled.kind = CAIRN_TEXT;
      filled.choice = piece->choice;
    } else if (request->shared->Ended(*request->pending)) {
      filled.kind = CAIRN_ENDED;
    }
    return WriteStruct("cairn_event", event, kEventV0, filled);
  });
}

cairn_status cairn_request_answer(cairn_request* request, int32_t choice, cairn_answer** answer,
                                  cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(request, "request"));
    OR_RETURN(NeedPointer(answer, "place for the answer"));
    *answer = OR_RETURN(AnswerOf(*request, choice)).release();
    return {};
  });
}

cairn_status cairn_answer_describe(const cairn_answer* answer, cairn_answer_info* info,
                                   cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(answer, "answer"));
    const engine::Answer& a = answer->answer;
    const cairn_answer_info filled{.size = sizeof(cairn_answer_info),
                                   .text = a.text.c_str(),
                                   .length = a.text.size(),
                                   .tokens = a.tokens.data(),
                                   .token_count = a.tokens.size(),
                                   .prompt_tokens = a.prompt_tokens,
                                   .reused_tokens = a.reused_tokens,
                                   .prompt_seconds = a.prompt_seconds,
                                   .answer_seconds = a.answer_seconds,
                                   .reason = ReasonOf(a.reason)};
    return WriteStruct("cairn_answer_info", info, kAnswerInfoV0, filled);
  });
}

void cairn_answer_free(cairn_answer* answer) { delete answer; }
