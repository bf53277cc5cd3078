// SPDX-License-Identifier: Apache-2.0
// One client's connection: HTTP/1.1 with keep-alive and pipelining, one request at a time.
//
// While a request is answered the connection goes on reading, up to kMostAhead bytes: that is how
// it learns that the client has gone, and what it reads belongs to the next requests. An end of the
// client's bytes counts as gone.
// Threads: the event loop's. It lives as long as something is going on with it (shared_from_this).
// In three files: connection.cc reads, connection_pieces.cc reads what comes in pieces,
// connection_answer.cc answers.
// Test: http_test.cc.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/bound_exchange.h"
#include "http/exchange.h"
#include "http/limits.h"
#include "http/outbox.h"
#include "http/stream.h"

namespace cairn::http {

// What the connections of a server share.
struct Shared {
  Handler& handler;
  const HttpLimits limits;
  std::size_t bodies_bytes = 0;  // of limits.bodies_bytes, in use
  bool draining = false;         // connections close after the answer that they are at
};

class WebSocket;

class Connection final : public Outbox::Listener, public std::enable_shared_from_this<Connection> {
 public:
  // Bytes of later requests that are read while one is answered.
  static constexpr std::size_t kMostAhead = std::size_t{64} << 10;

  Connection(Stream stream, std::string peer, bool local, Shared& shared,
             std::function<void(Connection&)> closed);
  ~Connection() override;

  void Start();
  // For a server that is full: this and goodbye.
  void Turn(int status, const std::string& message);
  // Waits for a request and holds nothing: may be closed for another one.
  bool idle() const { return phase_ == Phase::kIdle || phase_ == Phase::kHandshake; }
  std::chrono::steady_clock::time_point since() const { return since_; }
  // At once; an exchange under way learns that its client has gone.
  void Close();

 private:
  template <typename C>
  friend class BoundExchange;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Error = boost::system::error_code;
  // kHandshake: of TLS. kPieces: the body is read while its handler may answer. kUpgraded: a
  // WebSocket has the stream.
  enum class Phase {
    kHandshake,
    kIdle,
    kHeader,
    kBody,
    kPieces,
    kAnswering,
    kUpgraded,
    kLingering,
    kClosed
  };

  void Handshake(std::function<void()> then);
  void WaitForRequest();
  void ReadHeader();
  void OnHeader(const Error& error);
  void ReadBody();
  void OnBody(const Error& error);
  void BodyFailed(const Error& error);
  bool CountBody(std::size_t more);
  void TakePieces(Request request);
  void ReadPiece();
  void OnPiece(const Error& error);
  void LeavePieces();
  void Upgrade(Request request);
  void RefuseRequest(Response response);
  void RefuseAtOnce(int status, const std::string& message);
  void Fail(int status, const std::string& message);
  Request TakeRequest();
  void Watch();
  void OnWatched(const Error& error, std::size_t bytes);

  // For the exchange that is answered.
  Stream::executor_type stream_executor() { return stream_.get_executor(); }
  bool At(std::uint64_t number) const { return answering_ && number_ == number; }
  bool answered() const { return responded_; }
  bool ended() const { return ended_; }
  ExchangeHooks& hooks() { return hooks_; }
  Response NoAnswer() { return shared_.handler.Refusal(500, "the request was not answered"); }
  void Also(Headers headers) { also_ = std::move(headers); }
  void Respond(Response response);
  void Begin(Response head);
  void Write(std::string_view piece);
  void End();
  void Break();
  void Send(std::string_view bytes);
  void Sending() override;
  void Sent() override;
  void Lost() override { Close(); }
  void Finished();
  void Linger();
  void Gone();
  void ReleaseBody();

  void SetDeadline(std::chrono::milliseconds limit);
  void ClearDeadline() { deadline_ = std::chrono::steady_clock::time_point::max(); }
  void ArmTimer();
  void OnDeadline();

  Stream stream_;
  Outbox outbox_;
  boost::asio::steady_timer timer_;
  bool timer_armed_ = false;
  // Most move before they come: the timer runs out at an earlier one and is then set anew.
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
  const std::string peer_;
  const bool local_;
  Shared& shared_;
  std::function<void(Connection&)> closed_;

  Phase phase_ = Phase::kIdle;
  std::chrono::steady_clock::time_point since_;  // the phase began
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::size_t body_bytes_ = 0;  // of shared_.bodies_bytes
  std::shared_ptr<WebSocket> web_socket_;
  bool watching_ = false;  // a read is under way while answering or idle
  bool first_ = true;      // no request yet

  // Of the request that is answered.
  Headers also_;  // of the answer
  ExchangeHooks hooks_;
  std::uint64_t number_ = 0;  // of exchanges: late calls of earlier ones do nothing
  bool answering_ = false;
  bool responded_ = false;  // Respond or Begin came
  bool streams_ = false;
  bool chunked_ = false;
  bool head_only_ = false;
  bool keep_alive_ = false;
  bool ended_ = false;  // all of the answer is in outbox_
  Outcome outcome_;
  std::chrono::steady_clock::time_point began_;
};

}  // namespace cairn::http
