// SPDX-License-Identifier: Apache-2.0
// The bytes of a connection: TCP or a Unix socket.
// Threads: the event loop's. Owns: the descriptor.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <utility>

namespace cairn::http {

// An AsyncReadStream and AsyncWriteStream of Asio.
class Stream {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  using executor_type = Socket::executor_type;

  explicit Stream(Socket socket) : socket_(std::move(socket)) {}

  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() { return socket_; }

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return socket_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return socket_.async_write_some(buffers, std::forward<Token>(token));
  }

 private:
  Socket socket_;
};

}  // namespace cairn::http
