// SPDX-License-Identifier: Apache-2.0
// Listens, and keeps count of the connections.
//
// Threads: all calls on the event loop's thread, or before it runs.
// Owns: its sockets. The io_context, the handler and what they lead to must outlive it.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_set>

#include "base/error.h"
#include "http/connection.h"
#include "http/exchange.h"
#include "http/limits.h"

namespace cairn::http {

class HttpServer {
 public:
  HttpServer(boost::asio::io_context& loop, Handler& handler, const HttpLimits& limits);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // A name or an address. Port 0: a free one. Returns the port. Errors: kInvalidArgument (no such
  // host), kIo (in use, not allowed).
  [[nodiscard]] Result<int> Listen(const std::string& host, int port);
  // Connections to ports from now on are encrypted with it; null: they are not.
  void SetTls(std::shared_ptr<Tls> tls) { tls_ = std::move(tls); }
  // A socket of the file system for this user alone. One that nobody listens on any more is
  // replaced; any other file is not touched. It is removed in the end. Errors: kIo.
  [[nodiscard]] Result<void> ListenUnix(const std::string& path);

  // No new connections; those that wait for a request close, the others after their answer.
  // `drained` is called once none is left.
  void Drain(std::function<void()> drained);
  // What is left is closed at once.
  void CloseAll();

  std::size_t connections() const { return connections_.size(); }

 private:
  template <typename Acceptor>
  void Accept(std::shared_ptr<Acceptor> acceptor);
  void Take(Stream stream, std::string peer, bool local);
  bool MakeRoom();
  void Closed(Connection& connection);

  boost::asio::io_context& loop_;
  Shared shared_;
  std::shared_ptr<Tls> tls_;
  std::list<std::function<void()>> stop_listening_;
  std::string unix_path_;
  std::unordered_set<Connection*> connections_;
  std::function<void()> drained_;
};

}  // namespace cairn::http
