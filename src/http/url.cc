// SPDX-License-Identifier: Apache-2.0
#include "http/url.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"

namespace cairn::http {
namespace {

constexpr std::string_view kUnreserved =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

std::unexpected<Error> Wrong(std::string_view text) {
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is no address; http://HOST/... or https://HOST/... was expected",
                          Printable(text, 200)));
}

bool IsPort(std::string_view port) {
  return !port.empty() && port.size() <= 5 &&
         std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::string Url::Authority() const {
  const std::string shown = host.contains(':') ? "[" + host + "]" : host;
  return port == (tls ? "443" : "80") ? shown : shown + ":" + port;
}

std::string Url::Text() const {
  return fmt::format("{}://{}{}", tls ? "https" : "http", Authority(), target);
}

Result<Url> ParseUrl(std::string_view text) {
  const bool printable = std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return Wrong(text);
  }
  rest = rest.substr(0, rest.find('#'));
  const std::size_t path = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, path);
  url.target = rest.substr(path);
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  std::size_t colon = authority.rfind(':');
  if (authority.starts_with('[')) {
    const std::size_t bracket = authority.find(']');
    if (bracket == std::string_view::npos) return Wrong(text);
    url.host = authority.substr(1, bracket - 1);
    colon = bracket + 1 < authority.size() ? bracket + 1 : std::string_view::npos;
    if (colon != std::string_view::npos && authority[colon] != ':') return Wrong(text);
  } else {
    url.host = authority.substr(0, colon);
    if (url.host.contains(':')) return Wrong(text);
  }
  url.port = colon == std::string_view::npos ? (url.tls ? "443" : "80")
                                             : std::string(authority.substr(colon + 1));
  std::ranges::transform(url.host, url.host.begin(), Lower);
  if (!printable || url.host.empty() || authority.contains('@') || !IsPort(url.port)) {
    return Wrong(text);
  }
  return url;
}

Result<Url> Resolve(const Url& base, std::string_view location) {
  if (location.starts_with("//")) {
    return ParseUrl(fmt::format("{}:{}", base.tls ? "https" : "http", location));
  }
  if (location.contains("://")) return ParseUrl(location);
  std::string folder = base.target.substr(0, base.target.find('?'));
  folder = folder.substr(0, folder.rfind('/') + 1);
  const std::string target =
      location.starts_with('/') ? std::string(location) : folder + std::string(location);
  Url origin = base;
  origin.target.clear();
  return ParseUrl(origin.Text() + target);
}

std::string EscapePath(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (kUnreserved.contains(c)) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace cairn::http
