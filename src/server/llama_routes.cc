// SPDX-License-Identifier: Apache-2.0
// llama-server's own routes: texts continued and filled in, and what the server is
// (docs/server.md).
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "model/utf8.h"
#include "server/api.h"
#include "server/dialect.h"
#include "server/json_members.h"
#include "server/openai_request.h"
#include "server/sampling_members.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostParts = 65'536;  // of a prompt of texts and tokens

struct LlamaRequest {
  Question question;
  bool stream = false;
  bool return_tokens = false;
  bool progress = false;
};

// A text, or a list of texts and tokens, which belong together.
Result<Prompt> ReadLlamaPrompt(const Members& members) {
  const json::value* given = members.Find("prompt");
  if (given == nullptr) return FailAt(ErrorCode::kInvalidArgument, "prompt", "is missing");
  if (const auto* text = given->if_string()) {
    return MarkedText{std::string(text->data(), text->size())};
  }
  const auto* list = given->if_array();
  if (list == nullptr) return members.Wrong("prompt", "a string or an array", *given);
  if (list->empty()) return FailAt(ErrorCode::kInvalidArgument, "prompt", "is empty");
  std::vector<PromptPart> parts;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string place = fmt::format("prompt[{}]", i);
    const bool text = (*list)[i].is_string();
    if (text || parts.empty()) {  // tokens go behind the text before them
      if (parts.size() == kMostParts) {
        return FailAt(ErrorCode::kLimit, "prompt", "has too many parts");
      }
      parts.emplace_back();
    }
    if (text) {
      const auto& string = (*list)[i].get_string();
      parts.back().text.assign(string.data(), string.size());
      continue;
    }
    const auto id = WholeOf((*list)[i]);
    if (!id || *id < 0 || *id > std::numeric_limits<std::int32_t>::max()) {
      return FailAt(ErrorCode::kUnsupported, place,
                    "must be a text or the id of a token; send one request for each prompt");
    }
    parts.back().tokens.push_back(static_cast<std::int32_t>(*id));
  }
  return parts;
}

Result<LlamaRequest> ReadLlamaRequest(const Members& members) {
  LlamaRequest request;
  Question& question = request.question;
  OR_RETURN(members.Read("model", kMostNameBytes, question.model));
  OR_RETURN(members.Read("stream", request.stream));
  OR_RETURN(members.Read("cache_prompt", question.use_cache));
  OR_RETURN(members.Read("return_tokens", request.return_tokens));
  OR_RETURN(members.Read("return_progress", request.progress));
  question.form = OR_RETURN(ReadForm(members));
  OR_RETURN(ReadSampling(members, question.options.sampling));
  OR_RETURN(ReadBiases(members, question.options.sampling.bias));
  OR_RETURN(ReadStops(members, "stop", question.options.stop));
  OR_RETURN(members.Read("ignore_eos", question.options.ignore_end));
  OR_RETURN(ReadLimit(members, "n_predict", question.options.max_tokens));
  std::int64_t probabilities = 0;
  OR_RETURN(members.Read("n_probs", 0, engine::kMostTopLikelihoods, probabilities));
  if (probabilities > 0) question.options.likelihoods = static_cast<int>(probabilities);
  return request;
}

class CompletionTeller final : public AnswerTeller {
 public:
  CompletionTeller(CallRef call, const Asked& asked, const LlamaRequest& request)
      : AnswerTeller(std::move(call), asked, request.stream, false),
        return_tokens_(request.return_tokens),
        progress_(request.stream && request.progress),
        probabilities_(request.question.options.likelihoods > 0) {}

  bool wants_progress() const override { return progress_; }
  void Progress(const engine::PromptProgress& now) override {
    json::object chunk = Chunk("");
    chunk["prompt_progress"] = {
        {"total", now.total}, {"cache", now.reused}, {"processed", now.computed}};
    WriteEvent(call(), "", chunk);
  }

 private:
  json::object EntryOf(const engine::TokenLikelihood& token) const {
    const std::string bytes = model().engine->model().tokenizer().Decode({&token.token, 1}, true);
    std::string text;
    model::AppendWellFormed(bytes, text);
    json::array numbers;
    for (const char byte : bytes) numbers.push_back(static_cast<unsigned char>(byte));
    return {{"id", token.token},
            {"token", text},
            {"bytes", std::move(numbers)},
            {"logprob", token.log_probability}};
  }
  json::array Probabilities(std::span<const engine::TokenLikelihoods> tokens) const {
    json::array list;
    for (const engine::TokenLikelihoods& token : tokens) {
      json::object entry = EntryOf(token.chosen);
      json::array top;
      for (const auto& other : token.top) top.push_back(EntryOf(other));
      entry["top_logprobs"] = std::move(top);
      list.push_back(std::move(entry));
    }
    return list;
  }
  json::object Chunk(std::string_view text) const {
    return {{"index", 0},
            {"content", json::string_view(text.data(), text.size())},
            {"tokens", json::array()},
            {"stop", false},
            {"id_slot", 0},
            {"tokens_evaluated", prompt_tokens()}};
  }
  static json::object TimesOf(const engine::Answer& answer) {
    const auto made = static_cast<std::int64_t>(answer.tokens.size());
    const std::int64_t computed = answer.prompt_tokens - answer.reused_tokens;
    const auto rate = [](std::int64_t tokens, double seconds) {
      return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
    };
    return {{"cache_n", answer.reused_tokens},
            {"prompt_n", computed},
            {"prompt_ms", answer.prompt_seconds * 1e3},
            {"prompt_per_second", rate(computed, answer.prompt_seconds)},
            {"predicted_n", made},
            {"predicted_ms", answer.answer_seconds * 1e3},
            {"predicted_per_second", rate(made, answer.answer_seconds)}};
  }
  static const char* StopTypeOf(engine::FinishReason reason) {
    switch (reason) {
      case engine::FinishReason::kEndOfTurn: return "eos";
      case engine::FinishReason::kStopString: return "word";
      case engine::FinishReason::kLength:
      case engine::FinishReason::kContext: return "limit";
      case engine::FinishReason::kCancelled: return "none";
    }
    return "none";
  }
  json::object Last(std::string_view text, const engine::Answer& answer) const {
    json::object last = Chunk(text);
    last["stop"] = true;
    last["model"] = model().id;
    last["tokens_predicted"] = answer.tokens.size();
    last["tokens_cached"] = answer.reused_tokens;
    last["truncated"] = false;
    last["has_new_line"] = answer.text.find('\n') != std::string::npos;
    last["stop_type"] = StopTypeOf(answer.reason);
    last["stopping_word"] = answer.stop;
    last["timings"] = TimesOf(answer);
    return last;
  }

  void Begin() override { BeginEvents(call()); }
  void Tokens(std::span<const engine::TokenLikelihoods> tokens) override {
    probabilities_so_far_ = Probabilities(tokens);
    pending_ = true;
  }
  void Said(std::string_view text) override { Write(Chunk(text)); }
  void Write(json::object chunk) {
    if (std::exchange(pending_, false)) {
      chunk["completion_probabilities"] = std::move(probabilities_so_far_);
    }
    WriteEvent(call(), "", chunk);
  }
  void End(const engine::Answer& answer) override { Write(Last("", answer)); }
  void Broken(const ApiError& error) override {
    WriteEvent(call(), "",
               {{"error", json::object{{"code", error.status},
                                       {"message", error.message},
                                       {"type", "server_error"}}}});
  }
  void Whole(const ReadAnswer& read, const engine::Answer& answer) override {
    json::object body = Last(read.content, answer);
    if (return_tokens_) body["tokens"] = json::array(answer.tokens.begin(), answer.tokens.end());
    if (probabilities_) body["completion_probabilities"] = Probabilities(answer.likelihoods);
    call()->Json(200, body);
  }

  bool return_tokens_, progress_, probabilities_;
  json::array probabilities_so_far_;
  bool pending_ = false;  // of the next chunk
};

void Complete(const CallRef& call, Result<Prompt> (*read_prompt)(const Members& members)) {
  const auto body = call->Body();
  if (!body) return;
  if (!body->is_object()) return call->Fail(400, "the body must be an object");
  const Members members(body->get_object(), "");
  auto read = ReadLlamaRequest(members);
  if (!read) return call->Fail(read.error());
  auto prompt = read_prompt(members);
  if (!prompt) return call->Fail(prompt.error());
  const auto request = std::make_shared<LlamaRequest>(*std::move(read));
  Question question = request->question;
  question.prompt = *std::move(prompt);
  Ask(call, std::move(question), [call, request](const Asked& asked) {
    return std::make_shared<CompletionTeller>(call, asked, *request);
  });
}

void Completion(const CallRef& call) { Complete(call, ReadLlamaPrompt); }

// What was typed already stands in `prompt`, other files in `input_extra`.
Result<Prompt> ReadHole(const Members& members) {
  Hole hole;
  std::string typed;
  for (const char* name : {"input_prefix", "input_suffix"}) {
    if (members.Find(name) == nullptr) {
      return FailAt(ErrorCode::kInvalidArgument, name, "is missing");
    }
  }
  OR_RETURN(members.Read("input_prefix", kMostBodyBytes, hole.before));
  OR_RETURN(members.Read("input_suffix", kMostBodyBytes, hole.behind));
  OR_RETURN(members.Read("prompt", kMostBodyBytes, typed));
  const json::value* extra = members.Find("input_extra");
  if (extra != nullptr && (!extra->is_array() || !extra->get_array().empty())) {
    return FailAt(ErrorCode::kUnsupported, "input_extra", "is not supported yet; leave it out");
  }
  hole.before += typed;
  return hole;
}

void Infill(const CallRef& call) { Complete(call, ReadHole); }

void Props(const CallRef& call) {
  WithModel(call, http::QueryValue(call->request().query, "model"), [call](const auto& model) {
    const model::Vocabulary& v = model->engine->model().tokenizer().vocabulary();
    const engine::SamplingOptions sampling;
    json::object params{{"temperature", sampling.temperature},
                        {"top_k", sampling.top_k},
                        {"top_p", sampling.top_p},
                        {"min_p", sampling.min_p},
                        {"seed", sampling.seed},
                        {"repeat_penalty", sampling.repeat_penalty},
                        {"repeat_last_n", sampling.repeat_window},
                        {"presence_penalty", sampling.presence_penalty},
                        {"frequency_penalty", sampling.frequency_penalty},
                        {"n_predict", -1}};
    const auto& chat = model->face.chat;
    call->Json(200, json::object{{"default_generation_settings",
                                  json::object{{"n_ctx", model->engine->context()},
                                               {"params", std::move(params)}}},
                                 {"total_slots", call->api.options.scheduler.sequences},
                                 {"model_alias", model->id},
                                 {"model_path", model->id},
                                 {"chat_template", chat ? chat->source() : std::string()},
                                 {"bos_token", model::TokenText(v, v.bos)},
                                 {"eos_token", model::TokenText(v, v.eos)},
                                 {"modalities", json::object{{"vision", false}, {"audio", false}}},
                                 {"system_fingerprint", model->face.fingerprint}});
  });
}

// A place for each answer that may be made at the same time; which of them is whose is not told.
void Slots(const CallRef& call) {
  WithModel(call, http::QueryValue(call->request().query, "model"), [call](const auto& model) {
    const auto running = model->engine->reading().scheduler.running;
    json::array slots;
    for (int i = 0; i < call->api.options.scheduler.sequences; ++i) {
      slots.push_back(json::object{
          {"id", i}, {"n_ctx", model->engine->context()}, {"is_processing", i < running}});
    }
    call->Json(200, slots);
  });
}

}  // namespace

std::vector<Route> LlamaRoutes() {
  return {{"POST", "/completion", Completion},
          {"POST", "/infill", Infill},
          {"GET", "/props", Props},
          {"GET", "/slots", Slots}};
}

}  // namespace cairn::server
