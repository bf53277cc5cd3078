// SPDX-License-Identifier: Apache-2.0
// The bytes of a connection: TCP, encrypted or not, or a Unix socket.
// Threads: the event loop's. Owns: the descriptor, and a share of the certificate.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/role.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "http/tls.h"

namespace cairn::http {

// An AsyncReadStream and AsyncWriteStream of Asio, for completion handlers alone.
class Stream {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  using executor_type = Socket::executor_type;

  // `tls` null: not encrypted. Else nothing is read or written before Handshake has ended well.
  Stream(Socket socket, std::shared_ptr<Tls> tls) : tls_(std::move(tls)) {
    if (tls_ == nullptr) {
      plain_.emplace(std::move(socket));
    } else {
      secure_ = std::make_unique<Secure>(std::move(socket), tls_->context());
    }
  }

  bool secure() const { return secure_ != nullptr; }
  executor_type get_executor() { return socket().get_executor(); }
  // Below TLS.
  Socket& socket() { return secure_ ? secure_->next_layer() : *plain_; }

  // Of encrypted ones.
  template <typename Handler>
  void Handshake(Handler&& done) {
    secure_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(done));
  }
  // Says goodbye and waits for the other side's; what it sends instead ends the wait.
  template <typename Handler>
  void Shutdown(Handler&& done) {
    secure_->async_shutdown(std::forward<Handler>(done));
  }
  // After a handshake that failed: what is written from here on is not encrypted.
  void LeaveTls() {
    plain_.emplace(std::move(secure_->next_layer()));
    secure_.reset();
  }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& done) {
    if (secure_) return secure_->async_read_some(buffers, std::forward<Handler>(done));
    plain_->async_read_some(buffers, std::forward<Handler>(done));
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& done) {
    if (secure_) return secure_->async_write_some(buffers, std::forward<Handler>(done));
    plain_->async_write_some(buffers, std::forward<Handler>(done));
  }

 private:
  using Secure = boost::asio::ssl::stream<Socket>;

  std::shared_ptr<Tls> tls_;
  std::optional<Socket> plain_;
  std::unique_ptr<Secure> secure_;
};

// How Beast ends a WebSocket's stream, at once and once both sides have said goodbye, which is also
// enough of a goodbye for TLS.
inline void beast_close_socket(Stream& stream) {
  boost::system::error_code ignored;
  stream.socket().close(ignored);
}
inline void teardown(boost::beast::role_type /*role*/, Stream& stream,
                     boost::system::error_code& error) {
  stream.socket().close(error);
}
template <typename Handler>
void async_teardown(boost::beast::role_type role, Stream& stream, Handler&& handler) {
  boost::system::error_code error;
  teardown(role, stream, error);
  boost::asio::post(stream.get_executor(), [handler = std::forward<Handler>(handler),
                                            error]() mutable { handler(error); });
}

}  // namespace cairn::http
