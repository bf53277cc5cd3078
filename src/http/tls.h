// SPDX-License-Identifier: Apache-2.0
// A certificate and its key, for connections that are encrypted: TLS 1.2 and 1.3.
// Threads: immutable; connections share it and keep it.
// Test: tests/e2e/test_serve_tls.py.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <memory>
#include <string>

#include "base/error.h"

namespace cairn::http {

class Tls {
 public:
  // `certificate`: the server's own and those that vouch for it, in this order, in PEM. `key`: in
  // PEM, not encrypted. Errors: kInvalidArgument, which say which of the two is wrong and how.
  [[nodiscard]] static Result<std::shared_ptr<Tls>> Make(const std::string& certificate,
                                                         const std::string& key);

  boost::asio::ssl::context& context() { return context_; }

 private:
  Tls();

  boost::asio::ssl::context context_;
};

// Whether a handshake failed because the other side speaks HTTP without TLS.
bool SpeaksPlainHttp(const boost::system::error_code& failed);

}  // namespace cairn::http
