// SPDX-License-Identifier: Apache-2.0
#include "server/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "server/json_members.h"
#include "server/openai_request.h"

namespace cairn::server {
namespace {

constexpr std::size_t kLongInputBytes = std::size_t{16} << 10;  // about 4 ms of tokenizing

std::string_view TypeOf(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

boost::json::value OrNull(const std::string& text) {
  return text.empty() ? boost::json::value() : boost::json::value(text);
}

}  // namespace

http::Response OpenAiError(const ApiError& error) {
  const std::string_view type = TypeOf(error.status);
  return {.status = error.status,
          .body = boost::json::serialize(boost::json::object{
              {"error", boost::json::object{{"message", error.message},
                                            {"type", boost::json::string(type.data(), type.size())},
                                            {"param", OrNull(error.param)},
                                            {"code", OrNull(error.code)}}}})};
}

int StatusOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
    case ErrorCode::kLimit: return 400;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kBusy: return 429;
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kCancelled: return 503;
    case ErrorCode::kIo:
    case ErrorCode::kNumeric: return 500;
  }
  return 500;
}

ApiError ApiErrorOf(const Error& error) {
  const bool no_model = error.code == ErrorCode::kNotFound && error.subject == "model";
  return {.status = StatusOf(error),
          .message = error.message,
          .param = error.subject,
          .code = no_model ? "model_not_found" : ""};
}

void Api::Prepare(std::size_t bytes, std::function<void()> work) {
  if (bytes < kLongInputBytes) return work();
  boost::asio::post(preparing, std::move(work));
}

std::optional<boost::json::value> Call::Body() {
  auto body = ParseJson(request().body, kMostBodyBytes);
  if (body) return *std::move(body);
  Fail(std::move(body).error().Within("the body"));
  return std::nullopt;
}

bool Call::MayUse(std::string_view model) const {
  const auto& models = holder->limits.models;
  const ModelSource* source = api.models.Find(model);
  return models.empty() ||
         std::ranges::count(models, source != nullptr ? std::string_view(source->id) : model) > 0;
}

void Call::FailNoModel() {
  Fail({.status = 404,
        .message = fmt::format("there is no model of that name for this key; there are: {}",
                               fmt::join(holder->limits.models, ", ")),
        .param = "model",
        .code = "model_not_found"});
}

void WithModel(const CallRef& call, const std::string& given,
               std::function<void(const std::shared_ptr<const ServedModel>& model)> work) {
  // To a key that may not use a model there is none of that name.
  const auto& models = call->holder->limits.models;
  const std::string name = given.empty() && !models.empty() ? models.front() : given;
  if (!call->MayUse(name)) return call->FailNoModel();
  if (!call->api.models.ready()) return call->Fail(503, "the model is being loaded; try again");
  call->api.models.Use(name, [call, work = std::move(work)](
                                 Result<std::shared_ptr<const ServedModel>> model) mutable {
    if (!model) return call->Fail(model.error());
    const std::size_t bytes = call->request().body.size() + call->more_bytes;
    call->api.Prepare(bytes, [work = std::move(work), model = *std::move(model)] { work(model); });
  });
}

void Call::Json(int status, const boost::json::value& value) {
  exchange->Respond(
      {.status = status, .headers = {{"x-request-id", id}}, .body = boost::json::serialize(value)});
}

void Call::Fail(const Error& error) { Fail(ApiErrorOf(error)); }

void Call::Fail(ApiError error) {
  const int status = error.status;
  const std::int64_t retry_s = error.retry_s;
  http::Response response = error_form(std::move(error));
  if (status == 429 || status == 503) {
    response.headers.emplace_back("Retry-After", std::to_string(retry_s));
  }
  response.headers.emplace_back("x-request-id", id);
  exchange->Respond(std::move(response));
}

}  // namespace cairn::server
