// SPDX-License-Identifier: Apache-2.0
// What comes over HTTP and what goes back, free of any library.
// Threads: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

// The first header of that name (letters of either case), empty where there is none.
std::string_view FindHeader(const Headers& headers, std::string_view name);
std::size_t CountHeaders(const Headers& headers, std::string_view name);

// What stands behind "Bearer" and its spaces in the value of an Authorization, where the scheme is
// written in letters of either case (RFC 9110, section 11.1); absent for another scheme.
std::optional<std::string_view> BearerToken(std::string_view credentials);

struct Request {
  std::string method;  // as sent: "GET"
  std::string path;    // up to the first '?', percent-decoded; empty: the target was no path
  std::string query;   // behind it, as sent
  Headers headers;
  std::string body;
  std::string peer;    // the client's address, "unix" for a Unix socket
  bool local = false;  // came over a Unix socket

  std::string_view Header(std::string_view name) const { return FindHeader(headers, name); }
};

struct Response {
  int status = 200;
  std::string type = "application/json";  // Content-Type; empty: none
  Headers headers;                        // further ones
  std::string body;
};

// The path of a request target: origin form ("/v1?x") or absolute form ("http://host/v1"). Empty
// for anything else, for a broken escape, and where a NUL is written.
std::string PathOfTarget(std::string_view target);
std::string QueryOfTarget(std::string_view target);
// The value of a member of a query, percent-decoded; empty where there is none.
std::string QueryValue(std::string_view query, std::string_view name);

// "Not Found", ...
std::string_view ReasonOf(int status);

// The head of a message, up to its empty line. `length` below 0: the body comes in chunks.
std::string HeadOf(const Response& response, std::int64_t length, bool keep_alive, bool chunked);

}  // namespace cairn::http
