// SPDX-License-Identifier: Apache-2.0
// A plain client of a server of ours: JSON over HTTP or HTTPS, one connection. Certificates are
// those that the system trusts (SSL_CERT_FILE names others), and must be of that host.
// Its key is the environment's CAIRN_API_KEY.
// Threads: one at a time; every call waits for the answer, for at most five minutes.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <string>

#include "base/error.h"

namespace cairn::apps {

struct ServerAddress {
  bool tls = false;
  std::string host;  // a name or an address
  std::string port;
  std::string key;  // empty: none
};

// Of "http://HOST[:PORT]" or "https://HOST[:PORT]", with the environment's key. Errors:
// kInvalidArgument.
[[nodiscard]] Result<ServerAddress> ParseServerUrl(const std::string& url);

class ServerClient {
 public:
  // Errors: kIo, saying which server cannot be reached.
  [[nodiscard]] static Result<ServerClient> Connect(const ServerAddress& address);
  ServerClient(ServerClient&&) noexcept;
  ~ServerClient();

  // Errors: kIo for the connection, kInvalidArgument with what the server says where it refuses.
  [[nodiscard]] Result<boost::json::value> Post(const std::string& path,
                                                const boost::json::object& body);
  // The body as it came.
  [[nodiscard]] Result<std::string> Get(const std::string& path);

 private:
  struct State;
  // `body` empty: GET.
  [[nodiscard]] Result<std::string> Ask(const std::string& path, std::string body);
  explicit ServerClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::apps
