// SPDX-License-Identifier: Apache-2.0
// OpenAI's Responses API (docs/server.md); stored_response_routes.cc is what comes after an answer.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <ctime>
#include <utility>

#include "server/api.h"
#include "server/dialect.h"
#include "server/json_members.h"
#include "server/new_id.h"
#include "server/openai_request.h"
#include "server/response_items.h"
#include "server/responses_request.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

// The output is a list of items: the thoughts, where there are some, a message, calls of tools.
// Each begins when there is something for it and ends before the next.
class ResponseTeller final : public AnswerTeller {
 public:
  // `input`: the items that the store gets beside the response; empty: it gets nothing.
  ResponseTeller(CallRef call, const Asked& asked, const ResponsesRequest& request, std::string id,
                 std::string input)
      : AnswerTeller(std::move(call), asked, request.stream, true),
        echo_(request.echo),
        id_(std::move(id)),
        input_(std::move(input)) {}

 private:
  enum class Kind { kNone, kReasoning, kMessage, kCall };

  json::object Response(const char* status) const {
    json::object response{{"id", "resp_" + id_},
                          {"object", "response"},
                          {"created_at", created_s_},
                          {"status", status},
                          {"background", false},
                          {"error", nullptr},
                          {"incomplete_details", nullptr},
                          {"model", model().id},
                          {"output", output_},
                          {"parallel_tool_calls", true},
                          {"previous_response_id", nullptr},
                          {"reasoning", json::object{{"effort", nullptr}, {"summary", nullptr}}},
                          {"store", !input_.empty()},
                          {"text", json::object{{"format", json::object{{"type", "text"}}}}},
                          {"tool_choice", "auto"},
                          {"tools", json::array()},
                          {"truncation", "disabled"},
                          {"usage", nullptr}};
    for (const auto& [name, value] : echo_) response[name] = value;
    return response;
  }
  static bool IsWhole(const engine::Answer& answer) {
    return answer.reason == engine::FinishReason::kEndOfTurn ||
           answer.reason == engine::FinishReason::kStopString;
  }
  // Kept where it is to be.
  json::object LastResponse(const engine::Answer& answer) {
    const bool whole = IsWhole(answer);
    json::object response = Response(whole ? "completed" : "incomplete");
    if (!whole) response["incomplete_details"] = json::object{{"reason", "max_output_tokens"}};
    const auto made = static_cast<std::int64_t>(answer.tokens.size());
    response["usage"] = {
        {"input_tokens", answer.prompt_tokens},
        {"input_tokens_details", json::object{{"cached_tokens", answer.reused_tokens}}},
        {"output_tokens", made},
        {"output_tokens_details", json::object{{"reasoning_tokens", 0}}},
        {"total_tokens", answer.prompt_tokens + made}};
    if (input_.empty()) return response;
    StoredResponse stored{.response = json::serialize(response), .input = std::move(input_)};
    response["store"] = call()->api.responses.Put(call()->tenant, "resp_" + id_, std::move(stored));
    return response;
  }
  std::string ItemId(Kind kind) const {
    if (kind == Kind::kCall) return "fc_" + call_id_;
    return (kind == Kind::kReasoning ? "rs_" : "msg_") + id_;
  }
  static json::object PartOf(Kind kind, const std::string& text) {
    if (kind == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", text}};
    return {{"type", "output_text"},
            {"text", text},
            {"annotations", json::array()},
            {"logprobs", json::array()}};
  }
  // The open call with these arguments.
  json::object CallItem(const char* status, const std::string& arguments) const {
    return {{"id", ItemId(Kind::kCall)}, {"type", "function_call"}, {"status", status},
            {"call_id", call_id_},       {"name", tool_},           {"arguments", arguments}};
  }
  // `part` null: the item has no content yet.
  json::object Item(Kind kind, const char* status, const json::object* part) const {
    json::array content;
    if (part != nullptr) content.push_back(*part);
    json::object item{{"id", ItemId(kind)}, {"status", status}, {"content", std::move(content)}};
    if (kind == Kind::kReasoning) {
      item["type"] = "reasoning";
      item["summary"] = json::array();
    } else {
      item["type"] = "message";
      item["role"] = "assistant";
    }
    return item;
  }

  void Event(const char* type, json::object data) {
    data["type"] = type;
    data["sequence_number"] = number_++;
    WriteEvent(call(), type, data);
  }
  // An event of the open item, and of its part.
  void ItemEvent(const char* type, json::object data) {
    data["item_id"] = ItemId(open_);
    data["output_index"] = output_.size();
    Event(type, std::move(data));
  }
  void PartEvent(const char* type, json::object data) {
    data["content_index"] = 0;
    ItemEvent(type, std::move(data));
  }
  void Open(Kind kind) {
    if (open_ == kind) return;
    Close("completed");
    open_ = kind;
    text_.clear();
    Event("response.output_item.added",
          {{"output_index", output_.size()}, {"item", Item(kind, "in_progress", nullptr)}});
    PartEvent("response.content_part.added", {{"part", PartOf(kind, "")}});
  }
  void Close(const char* status) {
    if (open_ == Kind::kNone) return;
    json::object item = open_ == Kind::kCall ? CloseCall(status) : ClosePart(status);
    Event("response.output_item.done", {{"output_index", output_.size()}, {"item", item}});
    output_.push_back(std::move(item));
    open_ = Kind::kNone;
  }
  json::object CloseCall(const char* status) {
    ItemEvent("response.function_call_arguments.done", {{"name", tool_}, {"arguments", text_}});
    return CallItem(status, text_);
  }
  json::object ClosePart(const char* status) {
    const bool thoughts = open_ == Kind::kReasoning;
    json::object done{{"text", text_}};
    if (!thoughts) done["logprobs"] = json::array();
    PartEvent(thoughts ? "response.reasoning_text.done" : "response.output_text.done",
              std::move(done));
    const json::object part = PartOf(open_, text_);
    PartEvent("response.content_part.done", {{"part", part}});
    return Item(open_, status, &part);
  }

  void Begin() override {
    BeginEvents(call());
    Event("response.created", {{"response", Response("in_progress")}});
    Event("response.in_progress", {{"response", Response("in_progress")}});
  }
  void Thought(std::string_view text) override {
    Open(Kind::kReasoning);
    text_ += text;
    PartEvent("response.reasoning_text.delta",
              {{"delta", json::string_view(text.data(), text.size())}});
  }
  void Said(std::string_view text) override {
    Open(Kind::kMessage);
    text_ += text;
    PartEvent("response.output_text.delta", {{"delta", json::string_view(text.data(), text.size())},
                                             {"logprobs", json::array()}});
  }
  void Calls(const std::string& id, std::string_view tool) override {
    Close("completed");
    open_ = Kind::kCall;
    call_id_ = id;
    tool_ = tool;
    text_.clear();
    Event("response.output_item.added",
          {{"output_index", output_.size()}, {"item", CallItem("in_progress", "")}});
  }
  void Arguments(std::string_view text) override {
    text_ += text;
    ItemEvent("response.function_call_arguments.delta",
              {{"delta", json::string_view(text.data(), text.size())}});
  }
  void End(const engine::Answer& answer) override {
    // An answer without a text and calls has an empty one.
    if (open_ != Kind::kCall) Open(Kind::kMessage);
    Close(IsWhole(answer) ? "completed" : "incomplete");
    Event(IsWhole(answer) ? "response.completed" : "response.incomplete",
          {{"response", LastResponse(answer)}});
  }
  void Broken(const ApiError& error) override {
    json::object response = Response("failed");
    response["error"] = {{"code", "server_error"}, {"message", error.message}};
    Event("response.failed", {{"response", std::move(response)}});
  }
  void Whole(const ReadAnswer& read, const engine::Answer& answer) override {
    const char* const last = IsWhole(answer) ? "completed" : "incomplete";
    if (!read.reasoning.empty()) {
      const json::object part = PartOf(Kind::kReasoning, read.reasoning);
      output_.push_back(Item(Kind::kReasoning, "completed", &part));
    }
    if (!read.content.empty() || read.calls.empty()) {
      const json::object part = PartOf(Kind::kMessage, read.content);
      output_.push_back(Item(Kind::kMessage, read.calls.empty() ? last : "completed", &part));
    }
    for (std::size_t i = 0; i < read.calls.size(); ++i) {
      call_id_ = IdOfCall(static_cast<int>(i));
      tool_ = read.calls[i].name;
      const bool ends = i + 1 == read.calls.size();
      output_.push_back(CallItem(ends ? last : "completed", read.calls[i].arguments));
    }
    call()->Json(200, LastResponse(answer));
  }

  json::object echo_;
  std::string id_;     // of the response and its items, behind what says which they are
  std::string input_;  // JSON
  std::int64_t created_s_ = std::time(nullptr);
  json::array output_;  // items that are whole
  Kind open_ = Kind::kNone;
  std::string text_;            // of the open item
  std::string call_id_, tool_;  // of the last call
  int number_ = 0;              // of the next event
};

// The conversation up to the end of a stored response.
Result<json::array> ItemsUpTo(const CallRef& call, const std::string& id) {
  const StoredResponse* stored = call->api.responses.Find(call->tenant, id);
  if (stored == nullptr) {
    return cairn::Fail(ErrorCode::kNotFound, "there is no stored response of that name",
                       "previous_response_id");
  }
  call->more_bytes = stored->input.size() + stored->response.size();
  if (call->more_bytes > kMostBodyBytes) {
    return cairn::Fail(ErrorCode::kLimit,
                       fmt::format("the conversation behind previous_response_id has {} bytes, at "
                                   "most {} are taken",
                                   call->more_bytes, kMostBodyBytes),
                       "previous_response_id");
  }
  json::value items = OR_RETURN(ParseJson(stored->input, kMostBodyBytes));
  const json::value response = OR_RETURN(ParseJson(stored->response, kMostBodyBytes));
  for (const json::value& item : response.at("output").as_array()) {
    items.as_array().push_back(item);
  }
  return std::move(items.as_array());
}

// The items as the store has them.
std::string Kept(json::array items, const std::string& id) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i] = KeptItem(std::move(items[i].as_object()), fmt::format("in_{}_{}", id, i));
  }
  return json::serialize(items);
}

void Respond(const CallRef& call) {
  const auto body = call->Body();
  if (!body) return;
  auto read =
      ReadResponsesRequest(*body, [&call](const std::string& id) { return ItemsUpTo(call, id); });
  if (!read) {
    if (read.error().code != ErrorCode::kNotFound) return call->Fail(read.error());
    return call->Fail({.status = 400,
                       .message = read.error().message,
                       .param = read.error().subject,
                       .code = "previous_response_not_found"});
  }
  const auto request = std::make_shared<ResponsesRequest>(*std::move(read));
  const std::string id = NewId("");
  const bool stores = request->store && call->api.responses.keeps();
  std::string input = stores ? Kept(std::exchange(request->items, {}), id) : "";
  Ask(call, std::move(request->question),
      [call, request, id, input = std::move(input)](const Asked& asked) mutable {
        return std::make_shared<ResponseTeller>(call, asked, *request, id, std::move(input));
      });
}

}  // namespace

std::vector<Route> ResponsesRoutes() { return {{"POST", "/v1/responses", Respond}}; }

}  // namespace cairn::server
