// SPDX-License-Identifier: Apache-2.0
// A client that fetches from HTTP/1.1 servers, over TLS where the address says https.
//
// One request at a time; a connection is kept for the next request to the same place. The body is
// read in pieces, so that a file of any size passes through. Redirects are the caller's: he knows
// who may be told what.
// Threads: one thread at a time; many clients may work at the same time.
// Owns: its connection.
// Trust: certificates of the system (SSL_CERT_FILE and SSL_CERT_DIR name others, as everywhere with
//   OpenSSL), names are checked.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "http/message.h"
#include "http/url.h"

namespace cairn::http {

struct ClientOptions {
  std::chrono::milliseconds connect{20'000};  // to connect and agree on keys
  std::chrono::milliseconds silence{60'000};  // most time without a byte from the server
  std::size_t header_bytes = std::size_t{64} << 10;
  // "http://HOST:PORT" of a proxy, empty for none, by the address that is asked for. May be empty.
  std::string (*proxy)(const Url& url) = nullptr;
  std::string agent = "cairn";
};

struct ResponseHead {
  int status = 0;
  Headers headers;
  std::optional<std::uint64_t> length;  // of the body, where the server says it
};

class Client {
 public:
  explicit Client(ClientOptions options);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // Sends a GET and reads the head of the answer. Errors: kIo (no connection, a certificate that is
  // not trusted, silence, an answer that is no HTTP), each naming the server.
  [[nodiscard]] Result<ResponseHead> Get(const Url& url, const Headers& headers);
  // The next bytes of its body, at most out.size() (above 0); 0: the body has ended. Errors: kIo; a
  // connection that ends before the body does is one.
  [[nodiscard]] Result<std::size_t> Read(std::span<std::byte> out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// For ClientOptions::proxy: what the environment names (https_proxy, http_proxy, all_proxy,
// no_proxy and their spellings in capitals).
std::string ProxyOfEnvironment(const Url& url);

}  // namespace cairn::http
