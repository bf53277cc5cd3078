// SPDX-License-Identifier: Apache-2.0
// Addresses of the web, as far as a client of files needs them.
// Threads: plain values.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace cairn::http {

struct Url {
  bool tls = false;  // https
  std::string host;  // a name or an address, an IPv6 one without brackets
  std::string port;
  std::string target;  // path and query, beginning with '/'

  // Whom a request goes to: what belongs to one origin is told to no other.
  bool SameOrigin(const Url& other) const {
    return tls == other.tls && host == other.host && port == other.port;
  }
  // "https://host/path", without a port that goes without saying.
  std::string Text() const;
  // "host" or "host:port", as the Host header has it.
  std::string Authority() const;
};

// Of "http://..." or "https://...". Host names in lower case; what is behind a '#' is left out.
// Errors: kInvalidArgument (another scheme, a name and password, a blank or a control character, a
// port that is none).
[[nodiscard]] Result<Url> ParseUrl(std::string_view text);

// Where the Location of a redirect leads. Errors: as ParseUrl.
[[nodiscard]] Result<Url> Resolve(const Url& base, std::string_view location);

// A path with every byte escaped that may not stand in one; '/' stays.
std::string EscapePath(std::string_view path);

}  // namespace cairn::http
