// SPDX-License-Identifier: Apache-2.0
#include "server/openai_batch.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <utility>

#include "base/printable.h"
#include "server/json_members.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

constexpr std::string_view kIdStart = "batch_req_";
constexpr std::size_t kMostUrlBytes = 4096;
// Of a line of results: n answers of a long context, written with escapes.
constexpr std::size_t kMostResultBytes = std::size_t{1} << 30;

Result<OpenAiRequest> ReadRequest(const Members& line) {
  std::string method = "POST", url;
  OR_RETURN(line.Read("method", kMostUrlBytes, method));
  OR_RETURN(line.Read("url", kMostUrlBytes, url));
  if (method != "POST") {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("method must be POST, got '{}'", Printable(method, 40)));
  }
  const auto endpoint = EndpointOf(url);
  if (!endpoint) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("url must be {} or {}, got '{}'", PathOf(Endpoint::kChat),
                            PathOf(Endpoint::kCompletions), Printable(url, 60)));
  }
  const json::value* body = line.Find("body");
  if (body == nullptr) return Fail(ErrorCode::kInvalidArgument, "body is missing");
  auto request = ReadOpenAiRequest(*endpoint, *body);
  if (request && request->stream) {
    return Fail(ErrorCode::kInvalidArgument, "stream must be false in a batch");
  }
  return request;
}

std::string_view CodeOf(BatchFailure failure) {
  return failure == BatchFailure::kInvalidLine ? "invalid_line" : "duplicate_custom_id";
}

std::string Line(std::int64_t line, json::value custom_id, json::value response,
                 json::value error) {
  return json::serialize(json::object{{"id", fmt::format("{}{}", kIdStart, line)},
                                      {"custom_id", std::move(custom_id)},
                                      {"response", std::move(response)},
                                      {"error", std::move(error)}}) +
         "\n";
}

json::string TextOf(std::string_view text) { return json::string(text.data(), text.size()); }

}  // namespace

Result<BatchLine> ParseBatchLine(std::string_view line) {
  const json::value value = OR_RETURN(ParseJson(line, kMostBatchLineBytes));
  const auto* object = value.if_object();
  if (object == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("it must be a JSON object, got {}", KindOf(value)));
  }
  const Members members(*object, "");
  std::string custom_id;
  OR_RETURN(members.Read("custom_id", kMostCustomIdBytes, custom_id));
  if (custom_id.empty()) return Fail(ErrorCode::kInvalidArgument, "custom_id is missing");
  auto request = ReadRequest(members);
  return BatchLine{std::move(custom_id), std::move(request)};
}

std::string BatchResult(std::int64_t line, std::string_view custom_id, const Response& response) {
  return Line(line, TextOf(custom_id),
              json::object{{"status_code", response.status},
                           {"request_id", fmt::format("req_{}", line)},
                           {"body", response.body}},
              nullptr);
}

std::string BatchFailureResult(std::int64_t line, std::optional<std::string_view> custom_id,
                               BatchFailure failure, std::string_view message) {
  return Line(line, custom_id ? json::value(TextOf(*custom_id)) : json::value(), nullptr,
              json::object{{"code", TextOf(CodeOf(failure))}, {"message", TextOf(message)}});
}

std::string BatchResponseId(Endpoint endpoint, std::int64_t line) {
  return fmt::format("{}-{}", endpoint == Endpoint::kChat ? "chatcmpl" : "cmpl", line);
}

Result<BatchRecord> ParseBatchResult(std::string_view text) {
  const auto corrupt = [] {
    return Fail(ErrorCode::kCorrupt, "it is no line of a batch's results");
  };
  const auto value = ParseJson(text, kMostResultBytes);
  if (!value || !value->is_object()) return corrupt();
  const Members members(value->get_object(), "");
  BatchRecord record;
  std::string id;
  if (!members.Read("id", kMostCustomIdBytes, id) || !id.starts_with(kIdStart) ||
      !members.Read("custom_id", kMostCustomIdBytes, record.custom_id)) {
    return corrupt();
  }
  const char* end = id.data() + id.size();
  const auto [rest, error] = std::from_chars(id.data() + kIdStart.size(), end, record.line);
  if (error != std::errc() || rest != end || record.line < 1) return corrupt();
  const json::value* response = members.Find("response");
  const json::value* failed = members.Find("error");
  record.answered = response != nullptr && !record.custom_id.empty();
  if ((response == nullptr) == (failed == nullptr)) return corrupt();
  if (response != nullptr && !record.answered) return corrupt();
  return record;
}

BatchLedger::Turn BatchLedger::Take(std::int64_t number, Result<BatchLine> line) {
  const auto refuse = [&](std::optional<std::string_view> custom_id, BatchFailure failure,
                          std::string_view why) -> Turn {
    if (failed_.contains(number)) return {};
    return {.refusal = BatchFailureResult(number, custom_id, failure,
                                          fmt::format("line {}: {}", number, why))};
  };
  if (!line) return refuse(std::nullopt, BatchFailure::kInvalidLine, line.error().message);
  if (!seen_.insert(line->custom_id).second) {
    return refuse(line->custom_id, BatchFailure::kDuplicateId,
                  "its custom_id stands on an earlier line already");
  }
  if (answered_.contains(line->custom_id)) return {};
  return {.line = *std::move(line)};
}

}  // namespace cairn::server
