// SPDX-License-Identifier: Apache-2.0
#include "server/front.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/new_id.h"

namespace cairn::server {
namespace {

constexpr std::size_t kMostIdBytes = 128;

// The host of "host:port" and "[::1]:port".
std::string_view WithoutPort(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host == "127.0.0.1";
}

bool Holds(const std::vector<std::string>& list, std::string_view value) {
  return std::ranges::any_of(
      list, [&](const std::string& entry) { return entry == "*" || entry == value; });
}

// The client's own name for the request where it is short and plain, else one of ours.
std::string IdOf(const http::Request& request) {
  const std::string_view given = request.Header("x-request-id");
  const bool plain = std::ranges::all_of(given, [](char c) { return c > ' ' && c < 0x7f; });
  if (!given.empty() && given.size() <= kMostIdBytes && plain) return std::string(given);
  return NewId("req-");
}

// The trace id of a W3C traceparent, empty where there is none.
std::string TraceOf(const http::Request& request) {
  const std::string_view parent = request.Header("traceparent");
  constexpr std::size_t kBytes = 55;
  if (parent.size() < kBytes || parent[2] != '-' || parent[35] != '-') return {};
  const std::string_view trace = parent.substr(3, 32);
  const bool hex = std::ranges::all_of(
      trace, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return hex ? std::string(trace) : "";
}

// What of the path stands in place of the pattern's '*'; empty where it does not fit.
std::string_view RestOf(std::string_view pattern, std::string_view path) {
  const std::size_t star = pattern.find('*');
  const std::string_view stem = pattern.substr(0, star), tail = pattern.substr(star + 1);
  if (!path.starts_with(stem) || path.size() <= stem.size() + tail.size()) return {};
  path.remove_prefix(stem.size());
  return path.ends_with(tail) ? path.substr(0, path.size() - tail.size()) : std::string_view();
}

bool Fits(std::string_view pattern, std::string_view path) {
  return pattern.find('*') == std::string_view::npos ? path == pattern
                                                     : !RestOf(pattern, path).empty();
}

}  // namespace

Front::Front(Api& api, std::vector<Route> routes, std::function<void(const AccessRecord&)> log)
    : api_(api), routes_(std::move(routes)), log_(std::move(log)) {}

// Of the patterns that fit, the first in the table counts: what is more special stands before.
std::string_view Front::PatternOf(std::string_view path) const {
  const auto found =
      std::ranges::find_if(routes_, [&](const Route& route) { return Fits(route.path, path); });
  return found == routes_.end() ? std::string_view() : found->path;
}

const Route* Front::Find(std::string_view path, std::string_view method, bool* known) const {
  if (method == "HEAD") method = "GET";
  const std::string_view pattern = PatternOf(path);
  *known = !pattern.empty();
  const auto found = std::ranges::find_if(
      routes_, [&](const Route& route) { return route.path == pattern && route.method == method; });
  return found == routes_.end() ? nullptr : &*found;
}

std::string Front::MethodsAt(std::string_view path) const {
  std::string methods;
  const std::string_view pattern = PatternOf(path);
  for (const Route& route : routes_) {
    if (route.path != pattern) continue;
    methods += fmt::format("{}{}", methods.empty() ? "" : ", ", route.method);
    if (route.method == "GET") methods += ", HEAD";
  }
  return methods;
}

// A page of another site that has its own name point here still sends that name.
bool Front::HostIsGood(const http::Request& request) const {
  if (request.local || Holds(api_.options.hosts, "*")) return true;
  if (http::CountHeaders(request.headers, "Host") > 1) return false;
  const std::string_view host = WithoutPort(request.Header("Host"));
  return host.empty() || IsLoopback(host) || Holds(api_.options.hosts, host);
}

bool Front::OriginIsGood(const http::Request& request) const {
  std::string_view origin = request.Header("Origin");
  if (origin.empty() || Holds(api_.options.origins, origin)) return true;
  const std::size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos) return false;  // "null"
  return origin.substr(scheme + 3) == request.Header("Host");
}

std::shared_ptr<const KeyHolder> Front::HolderOf(const http::Request& request) const {
  if (!keys_) return std::make_shared<const KeyHolder>();
  const auto bearer = http::BearerToken(request.Header("Authorization"));
  return keys_->Find(bearer ? *bearer : request.Header("x-api-key"));
}

http::Response Front::Refused(const http::Request& request, int status, std::string message) {
  const auto near = std::ranges::find_if(
      routes_, [&](const Route& route) { return Fits(route.path, request.path); });
  const ErrorForm form = near == routes_.end() ? OpenAiError : near->error_form;
  http::Response response = RefusalIn(form, status, std::move(message));
  if (log_) {
    log_({.id = "",
          .tenant = "",
          .peer = request.peer,
          .method = request.method,
          .path = request.path,
          .trace = TraceOf(request),
          .outcome = {.status = status}});
  }
  return response;
}

std::optional<http::Response> Front::Refuse(const http::Request& request) {
  if (!HostIsGood(request)) {
    return Refused(request, 403,
                   "this server does not go by the name in the request's Host; --allow-host NAME "
                   "adds one");
  }
  if (!OriginIsGood(request)) {
    return Refused(request, 403,
                   "pages of that origin may not use this server; --allow-origin ORIGIN adds one");
  }
  bool known = false;
  const bool preflight = request.method == "OPTIONS" && !request.Header("Origin").empty();
  const Route* route = Find(request.path, request.method, &known);
  const bool open = preflight || (route != nullptr && route->open);
  if (!open && HolderOf(request) == nullptr) {
    auto response = Refused(request, 401, "a valid key is needed: Authorization: Bearer KEY");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  if (preflight) {
    return http::Response{
        .status = 204,
        .type = "",
        .headers = {{"Access-Control-Allow-Origin", std::string(request.Header("Origin"))},
                    {"Access-Control-Allow-Methods", "GET, POST, DELETE"},
                    {"Access-Control-Allow-Headers",
                     "authorization, content-type, x-api-key, x-request-id"},
                    {"Vary", "Origin"}}};
  }
  if (!known) return Refused(request, 404, "there is nothing at this path");
  if (route == nullptr) {
    auto response = Refused(request, 405, "this path does not take that method");
    response.headers.emplace_back("Allow", MethodsAt(request.path));
    return response;
  }
  if (api_.draining() && !route->open) {
    auto response = Refused(request, 503, "the server is shutting down");
    response.headers.emplace_back("Retry-After", "10");
    return response;
  }
  return std::nullopt;
}

bool Front::TakesPieces(const http::Request& request) const {
  bool known = false;
  const Route* route = Find(request.path, request.method, &known);
  return route != nullptr && route->pieces;
}

void Front::Handle(std::shared_ptr<http::Exchange> exchange) {
  const http::Request& request = exchange->request();
  bool known = false;
  const Route* route = Find(request.path, request.method, &known);
  if (route == nullptr) return;  // Refuse has seen that there is one
  auto holder = HolderOf(request);
  if (holder == nullptr) holder = std::make_shared<const KeyHolder>();  // of an open route
  const auto call = std::make_shared<Call>(Call{.api = api_,
                                                .exchange = exchange,
                                                .id = IdOf(request),
                                                .tenant = holder->name,
                                                .holder = holder,
                                                .error_form = route->error_form});
  if (route->path.find('*') != std::string_view::npos) {
    call->rest = RestOf(route->path, request.path);
  }
  AccessRecord record{.id = call->id,
                      .tenant = call->tenant,
                      .peer = request.peer,
                      .method = request.method,
                      .path = request.path,
                      .trace = TraceOf(request)};
  exchange->OnEnd([this, record = std::move(record)](const http::Outcome& outcome) mutable {
    ++api_.metrics.responses[outcome.status];
    if (outcome.gone) ++api_.metrics.cancelled;
    api_.metrics.request.Add(outcome.seconds);
    record.outcome = outcome;
    if (log_) log_(record);
  });
  if (const std::string_view origin = request.Header("Origin"); !origin.empty()) {
    exchange->Also({{"Access-Control-Allow-Origin", std::string(origin)}, {"Vary", "Origin"}});
  }
  route->handle(call);
}

http::Response Front::Refusal(int status, std::string message) {
  http::Response response = RefusalIn(OpenAiError, status, std::move(message));
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

http::Response Front::RefusalIn(ErrorForm form, int status, std::string message) {
  ++api_.metrics.responses[status];
  return form({.status = status, .message = std::move(message)});
}

}  // namespace cairn::server
