// SPDX-License-Identifier: Apache-2.0
// Stored responses of OpenAI's Responses API: told again, removed, and what they were made of.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <utility>

#include "server/api.h"
#include "server/json_members.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

constexpr std::int64_t kMostListed = 100;

// Null: the refusal is answered.
const StoredResponse* Look(const CallRef& call) {
  const StoredResponse* stored = call->api.responses.Find(call->tenant, call->rest);
  if (stored == nullptr) {
    call->Fail({.status = 404,
                .message = "there is no stored response of that name",
                .param = "response_id"});
  }
  return stored;
}

void ShowResponse(const CallRef& call) {
  const std::string stream = http::QueryValue(call->request().query, "stream");
  if (!stream.empty() && stream != "false") {
    return call->Fail({.status = 400,
                       .message = "stream must be false: a stored response is told whole",
                       .param = "stream"});
  }
  const StoredResponse* stored = Look(call);
  if (stored == nullptr) return;
  call->exchange->Respond({.headers = {{"x-request-id", call->id}}, .body = stored->response});
}

void DeleteResponse(const CallRef& call) {
  if (Look(call) == nullptr) return;
  call->api.responses.Remove(call->tenant, call->rest);
  call->Json(200, json::object{{"id", call->rest}, {"object", "response"}, {"deleted", true}});
}

// What of a list is asked for.
struct Page {
  std::int64_t limit = 20;
  bool oldest_first = false;
  std::string after;  // the item before the first; empty: from the beginning
};

Result<Page> ReadPage(std::string_view query) {
  Page page;
  const std::string limit = http::QueryValue(query, "limit");
  const std::string order = http::QueryValue(query, "order");
  page.after = http::QueryValue(query, "after");
  const char* const last = limit.data() + limit.size();
  const auto [end, error] = std::from_chars(limit.data(), last, page.limit);
  const bool number = error == std::errc() && end == last;
  if (!limit.empty() && (!number || page.limit < 1 || page.limit > kMostListed)) {
    return FailAt(ErrorCode::kInvalidArgument, "limit", "must be a whole number from 1 to 100");
  }
  if (!order.empty() && order != "asc" && order != "desc") {
    return FailAt(ErrorCode::kInvalidArgument, "order", "must be asc or desc");
  }
  page.oldest_first = order == "asc";
  return page;
}

Result<json::object> ListItems(const std::string& input, const Page& page) {
  json::value parsed = OR_RETURN(ParseJson(input, input.size()));
  json::array& items = parsed.as_array();
  if (!page.oldest_first) std::ranges::reverse(items);
  auto at = items.begin();
  if (!page.after.empty()) {
    at = std::ranges::find_if(
        items, [&](const json::value& item) { return item.at("id").as_string() == page.after; });
    if (at == items.end()) {
      return cairn::Fail(ErrorCode::kNotFound, "there is no such item", "after");
    }
    ++at;
  }
  const auto end = at + std::min<std::ptrdiff_t>(page.limit, items.end() - at);
  json::array listed;
  for (auto item = at; item != end; ++item) listed.push_back(std::move(*item));
  return json::object{{"object", "list"},
                      {"first_id", listed.empty() ? json::value() : listed.front().at("id")},
                      {"last_id", listed.empty() ? json::value() : listed.back().at("id")},
                      {"has_more", end != items.end()},
                      {"data", std::move(listed)}};
}

void ListInput(const CallRef& call) {
  const auto page = ReadPage(call->request().query);
  if (!page) return call->Fail(page.error());
  const StoredResponse* stored = Look(call);
  if (stored == nullptr) return;
  call->api.Prepare(stored->input.size(), [call, page = *page, input = stored->input] {
    const auto list = ListItems(input, page);
    return list ? call->Json(200, *list) : call->Fail(list.error());
  });
}

}  // namespace

std::vector<Route> StoredResponseRoutes() {
  return {{"GET", "/v1/responses/*/input_items", ListInput},
          {"GET", "/v1/responses/*", ShowResponse},
          {"DELETE", "/v1/responses/*", DeleteResponse}};
}

}  // namespace cairn::server
