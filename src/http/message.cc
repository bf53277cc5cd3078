// SPDX-License-Identifier: Apache-2.0
#include "http/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/status.hpp>

namespace cairn::http {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool SameName(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, Lower, Lower);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = Lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::optional<std::string> Unescape(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexDigit(text[i + 1]), low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// Path and query, without the scheme and host that proxies write.
std::string_view LocalPart(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() < scheme.size() || !SameName(target.substr(0, scheme.size()), scheme)) {
      continue;
    }
    const std::size_t slash = target.find('/', scheme.size());
    return slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  return target;
}

}  // namespace

std::string_view FindHeader(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (SameName(key, name)) return value;
  }
  return {};
}

std::size_t CountHeaders(const Headers& headers, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::count_if(
      headers, [&](const auto& entry) { return SameName(entry.first, name); }));
}

std::optional<std::string_view> BearerToken(std::string_view credentials) {
  const std::size_t space = credentials.find(' ');
  if (space == std::string_view::npos || !SameName(credentials.substr(0, space), "bearer")) {
    return std::nullopt;
  }
  credentials.remove_prefix(
      std::min(credentials.find_first_not_of(' ', space), credentials.size()));
  return credentials;
}

std::string PathOfTarget(std::string_view target) {
  const std::string_view local = LocalPart(target);
  if (!local.starts_with('/')) return {};
  return Unescape(local.substr(0, local.find('?')), false).value_or("");
}

std::string QueryOfTarget(std::string_view target) {
  const std::size_t mark = target.find('?');
  return mark == std::string_view::npos ? "" : std::string(target.substr(mark + 1));
}

std::string QueryValue(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), item.size() + 1));
    const std::size_t equals = item.find('=');
    if (item.substr(0, equals) != name) continue;
    if (equals == std::string_view::npos) return {};
    return Unescape(item.substr(equals + 1), true).value_or("");
  }
  return {};
}

std::string_view ReasonOf(int status) {
  const auto reason = boost::beast::http::obsolete_reason(
      boost::beast::http::int_to_status(static_cast<unsigned>(status)));
  return {reason.data(), reason.size()};
}

std::string HeadOf(const Response& response, std::int64_t length, bool keep_alive, bool chunked) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, ReasonOf(response.status));
  if (!response.type.empty()) head += fmt::format("Content-Type: {}\r\n", response.type);
  if (length >= 0) head += fmt::format("Content-Length: {}\r\n", length);
  if (chunked) head += "Transfer-Encoding: chunked\r\n";
  if (!keep_alive) head += "Connection: close\r\n";
  for (const auto& [name, value] : response.headers) {
    // A line break in a value would begin another header; our own values have none.
    if (value.find_first_of("\r\n") == std::string::npos) {
      head += fmt::format("{}: {}\r\n", name, value);
    }
  }
  head += "\r\n";
  return head;
}

}  // namespace cairn::http
