// SPDX-License-Identifier: Apache-2.0
// A question whose prompt arrives in pieces: JSON lines of a request's body, or messages of a
// WebSocket (docs/streaming.md).
//
//   {"open": BODY}      first: a body of /v1/chat/completions or /v1/completions
//   {"append": "TEXT"}  the prompt, or the last message's text, goes on
//   {"update": BODY}    its messages or its prompt anew, and nothing else of it
//   {"finish": true}    it is whole, as the end of the body says too
#include <optional>
#include <utility>

#include "server/api.h"
#include "server/json_members.h"
#include "server/openai_request.h"
#include "server/openai_stream.h"
#include "server/streamed_question.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

Result<OpenAiRequest> ReadBody(const json::value& value) {
  const json::object* body = value.if_object();
  const bool chat = body != nullptr && body->contains("messages");
  return ReadOpenAiRequest(chat ? Endpoint::kChat : Endpoint::kCompletions, value);
}

class PromptStream : public std::enable_shared_from_this<PromptStream> {
 public:
  explicit PromptStream(CallRef call) : call_(std::move(call)) {}

  void Take(std::string piece, bool last) {
    const std::size_t old = rest_.size();  // it has no line break
    rest_ += piece;
    std::size_t begin = 0;
    for (std::size_t end = rest_.find('\n', old); end != std::string::npos;
         end = rest_.find('\n', begin)) {
      TakeLine(std::string_view(rest_).substr(begin, end - begin));
      begin = end + 1;
    }
    rest_.erase(0, begin);
    if (!last) return Tell();
    TakeLine(rest_);
    rest_.clear();
    if (question_ == nullptr && !failed_) return Fail(NothingIsOpen());
    whole_ = changed_ = true;
    Tell();
  }

 private:
  static std::unexpected<Error> NothingIsOpen() {
    return cairn::Fail(ErrorCode::kInvalidArgument,
                       R"(the first line must be {"open": BODY}, with the body of a request)");
  }

  void TakeLine(std::string_view line) {
    if (failed_ || whole_ || line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    ++lines_;
    Result<void> taken = Obey(line);
    if (!taken)
      Fail(std::unexpected(std::move(taken).error().Within("line " + std::to_string(lines_))));
  }

  [[nodiscard]] Result<void> Obey(std::string_view line) {
    const json::value value = OR_RETURN(ParseJson(line, kMostBodyBytes));
    const json::object* object = value.if_object();
    if (object == nullptr || object->size() != 1) {
      return cairn::Fail(ErrorCode::kInvalidArgument,
                         "an object with one of open, append, update or finish was expected");
    }
    const auto& [name, given] = *object->begin();
    if (name == "open") return Open(given);
    if (question_ == nullptr) return NothingIsOpen();
    if (name == "append") return Append(given);
    if (name == "update") return Update(given);
    if (name == "finish" && given.is_bool() && given.get_bool()) {
      whole_ = changed_ = true;
      return {};
    }
    return cairn::Fail(ErrorCode::kInvalidArgument, "this is no line of a streamed prompt");
  }

  [[nodiscard]] Result<void> Open(const json::value& body) {
    if (question_ != nullptr) {
      return cairn::Fail(ErrorCode::kInvalidArgument, "the prompt is open already", "open");
    }
    auto request = std::make_shared<OpenAiRequest>(OR_RETURN(ReadBody(body)));
    prompt_ = TakePrompt(*request);
    OR_RETURN(AppendToPrompt(prompt_, ""));  // one that can go on
    Question question{.model = request->model,
                      .prompt = prompt_,
                      .options = request->options,
                      .form = request->form,
                      .choices = request->choices,
                      .tenant = request->tenant,
                      .use_cache = request->use_cache};
    question_ = std::make_shared<StreamedQuestion>(
        call_, std::move(question), [call = call_, request](const Asked& asked) {
          return MakeOpenAiListener(call, *request, asked);
        });
    chat_ = request->endpoint == Endpoint::kChat;
    changed_ = true;
    return {};
  }

  [[nodiscard]] Result<void> Append(const json::value& text) {
    if (!text.is_string()) {
      return cairn::Fail(ErrorCode::kInvalidArgument, "append must be a string", "append");
    }
    OR_RETURN(AppendToPrompt(prompt_, std::string_view(text.get_string())));
    changed_ = true;
    return {};
  }

  [[nodiscard]] Result<void> Update(const json::value& body) {
    OpenAiRequest request = OR_RETURN(ReadBody(body));
    if ((request.endpoint == Endpoint::kChat) != chat_) {
      return cairn::Fail(ErrorCode::kInvalidArgument,
                         "an update has messages where they were opened, else a prompt", "update");
    }
    Prompt prompt = TakePrompt(request);
    OR_RETURN(AppendToPrompt(prompt, ""));
    auto* now = std::get_if<Conversation>(&prompt);
    if (now != nullptr) {  // what else it reads stays as it was opened
      auto& before = std::get<Conversation>(prompt_);
      now->tools = std::move(before.tools);
      now->variables = std::move(before.variables);
    }
    prompt_ = std::move(prompt);
    changed_ = true;
    return {};
  }

  void Tell() {
    if (failed_ || question_ == nullptr || !std::exchange(changed_, false)) return;
    question_->Tell(prompt_, whole_);
  }

  void Fail(const std::unexpected<Error>& error) {
    failed_ = true;
    if (question_ == nullptr) return call_->Fail(error.error());
    question_->Fail(error.error());
  }

  CallRef call_;
  std::string rest_;  // of a line that has no end yet
  std::size_t lines_ = 0;
  std::shared_ptr<StreamedQuestion> question_;  // once it is open
  bool chat_ = false;
  Prompt prompt_;
  bool changed_ = false, whole_ = false, failed_ = false;
};

void Stream(const CallRef& call) {
  const auto stream = std::make_shared<PromptStream>(call);
  call->exchange->OnPiece(
      [stream](std::string piece, bool last) { stream->Take(std::move(piece), last); });
}

}  // namespace

std::vector<Route> StreamRoutes() {
  return {{.method = "POST", .path = "/v1/stream", .handle = Stream, .pieces = true},
          {.method = "GET", .path = "/v1/stream", .handle = Stream, .pieces = true}};
}

}  // namespace cairn::server
