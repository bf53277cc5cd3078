// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <vector>

namespace cairn::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using UnixProtocol = asio::local::stream_protocol;

namespace {

// Out of descriptors: waiting is all that helps.
constexpr std::chrono::milliseconds kAcceptPause{100};

std::string PeerOf(const tcp::endpoint& endpoint) { return endpoint.address().to_string(); }
std::string PeerOf(const UnixProtocol::endpoint&) { return "unix"; }

std::unexpected<Error> CannotListen(const std::string& where,
                                    const boost::system::error_code& error) {
  return Fail(ErrorCode::kIo, fmt::format("cannot listen on {}: {}", where, error.message()));
}

// Whether a server listens on the socket `path`.
bool Answers(asio::io_context& loop, const std::string& path) {
  UnixProtocol::socket probe(loop);
  boost::system::error_code error;
  probe.connect(UnixProtocol::endpoint(path), error);
  return !error;
}

}  // namespace

HttpServer::HttpServer(asio::io_context& loop, Handler& handler, const HttpLimits& limits)
    : loop_(loop), shared_{.handler = handler, .limits = limits} {}

HttpServer::~HttpServer() {
  CloseAll();
  for (const auto& stop : stop_listening_) stop();
  if (!unix_path_.empty()) unlink(unix_path_.c_str());
}

Result<int> HttpServer::Listen(const std::string& host, int port) {
  const std::string where = fmt::format("{}:{}", host, port);
  boost::system::error_code error;
  tcp::resolver resolver(loop_);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the host '{}' has no address: {}", host, error.message()));
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  auto acceptor = std::make_shared<tcp::acceptor>(loop_);
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) return CannotListen(where, error);
  const int bound = acceptor->local_endpoint(error).port();
  stop_listening_.push_back([acceptor] {
    boost::system::error_code ignored;
    acceptor->close(ignored);
  });
  Accept(acceptor);
  return bound;
}

Result<void> HttpServer::ListenUnix(const std::string& path) {
  const auto refuse = [&](const char* why) {
    return Fail(ErrorCode::kIo, fmt::format("cannot listen on '{}': {}", path, why));
  };
  if (path.size() >= sizeof(sockaddr_un::sun_path)) return refuse("the path is too long");
  struct stat status;
  if (lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) return refuse("a file of that name exists");
    if (Answers(loop_, path)) return refuse("another server listens there");
    unlink(path.c_str());
  }
  boost::system::error_code error;
  auto acceptor = std::make_shared<UnixProtocol::acceptor>(loop_);
  acceptor->open(UnixProtocol(), error);
  // Nobody else may connect between bind and chmod either.
  const mode_t before = umask(0177);
  if (!error) acceptor->bind(UnixProtocol::endpoint(path), error);
  umask(before);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) return CannotListen("'" + path + "'", error);
  unix_path_ = path;
  stop_listening_.push_back([acceptor] {
    boost::system::error_code ignored;
    acceptor->close(ignored);
  });
  Accept(acceptor);
  return {};
}

template <typename Acceptor>
void HttpServer::Accept(std::shared_ptr<Acceptor> acceptor) {
  using Protocol = typename Acceptor::protocol_type;
  acceptor->async_accept(
      [this, acceptor](const boost::system::error_code& error, typename Protocol::socket socket) {
        if (!acceptor->is_open() || error == asio::error::operation_aborted) return;
        if (error) {
          auto timer = std::make_shared<asio::steady_timer>(loop_, kAcceptPause);
          timer->async_wait([this, acceptor, timer](const boost::system::error_code&) {
            if (acceptor->is_open()) Accept(acceptor);
          });
          return;
        }
        boost::system::error_code gone;
        const auto peer = socket.remote_endpoint(gone);
        if constexpr (std::is_same_v<Protocol, tcp>) {
          if (!gone) socket.set_option(tcp::no_delay(true), gone);
        }
        constexpr bool kLocal = std::is_same_v<Protocol, UnixProtocol>;
        if (!gone) {
          Take(Stream(std::move(socket), kLocal ? nullptr : tls_), PeerOf(peer), kLocal);
        }
        Accept(acceptor);
      });
}

void HttpServer::Take(Stream stream, std::string peer, bool local) {
  const bool full = connections_.size() >= static_cast<std::size_t>(shared_.limits.connections);
  const bool room = !full || MakeRoom();
  auto connection = std::make_shared<Connection>(std::move(stream), std::move(peer), local, shared_,
                                                 [this](Connection& closed) { Closed(closed); });
  // Some more may be told that the server is full; beyond them nothing is said.
  constexpr std::size_t kMostTurned = 64;
  if (!room &&
      connections_.size() >= static_cast<std::size_t>(shared_.limits.connections) + kMostTurned) {
    return;
  }
  connections_.insert(connection.get());
  if (room) {
    connection->Start();
  } else {
    connection->Turn(503, "the server has as many connections as it takes; try again");
  }
}

// Closes the connection that has been waiting longest for a request.
bool HttpServer::MakeRoom() {
  Connection* oldest = nullptr;
  for (Connection* connection : connections_) {
    if (!connection->idle()) continue;
    if (oldest == nullptr || connection->since() < oldest->since()) oldest = connection;
  }
  if (oldest != nullptr) oldest->Close();
  return oldest != nullptr;
}

void HttpServer::Closed(Connection& connection) {
  connections_.erase(&connection);
  if (connections_.empty() && shared_.draining && drained_) std::exchange(drained_, nullptr)();
}

void HttpServer::Drain(std::function<void()> drained) {
  shared_.draining = true;
  drained_ = std::move(drained);
  for (const auto& stop : stop_listening_) stop();
  const std::vector<Connection*> all(connections_.begin(), connections_.end());
  for (Connection* connection : all) {
    if (connection->idle()) connection->Close();
  }
  if (connections_.empty() && drained_) std::exchange(drained_, nullptr)();
}

void HttpServer::CloseAll() {
  while (!connections_.empty()) (*connections_.begin())->Close();
}

}  // namespace cairn::http
