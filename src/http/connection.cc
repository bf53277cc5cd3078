// SPDX-License-Identifier: Apache-2.0
#include "http/connection.h"

#include <fmt/format.h>

#include <boost/asio/ssl/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <utility>

#include "http/web_socket.h"

namespace cairn::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

std::string_view ViewOf(beast::string_view text) { return {text.data(), text.size()}; }

int StatusOf(const boost::system::error_code& failed) {
  using beast::http::error;
  if (failed == error::header_limit || failed == error::buffer_overflow) return 431;
  if (failed == error::body_limit) return 413;
  return 400;
}

}  // namespace

Connection::Connection(Stream stream, std::string peer, bool local, Shared& shared,
                       std::function<void(Connection&)> closed)
    : stream_(std::move(stream)),
      outbox_(stream_),
      timer_(stream_.get_executor()),
      peer_(std::move(peer)),
      local_(local),
      shared_(shared),
      closed_(std::move(closed)),
      since_(steady_clock::now()),
      buffer_(shared.limits.header_bytes + kMostAhead) {}

Connection::~Connection() { ReleaseBody(); }

void Connection::Start() {
  Handshake([this] { WaitForRequest(); });
}

void Connection::Turn(int status, const std::string& message) {
  Handshake([this, status, message] { RefuseAtOnce(status, message); });
}

// `then` at once where nothing is encrypted.
void Connection::Handshake(std::function<void()> then) {
  if (!stream_.secure()) return then();
  phase_ = Phase::kHandshake;
  SetDeadline(shared_.limits.header);
  stream_.Handshake([self = shared_from_this(), then = std::move(then)](const Error& error) {
    if (self->phase_ != Phase::kHandshake) return;
    if (!error) return then();
    if (!SpeaksPlainHttp(error)) return self->Close();
    self->stream_.LeaveTls();
    self->RefuseAtOnce(400, "this port speaks HTTPS: the address begins with https://");
  });
}

// Before there is a request.
void Connection::RefuseAtOnce(int status, const std::string& message) {
  answering_ = true;
  began_ = steady_clock::now();
  RefuseRequest(shared_.handler.Refusal(status, message));
}

void Connection::Close() {
  if (phase_ == Phase::kClosed) return;
  const auto self = shared_from_this();
  phase_ = Phase::kClosed;
  timer_.cancel();
  if (web_socket_) {
    web_socket_->Close();
    return closed_(*this);
  }
  Error ignored;
  stream_.socket().close(ignored);
  Gone();
  ReleaseBody();
  closed_(*this);
}

// --- reading ---

void Connection::WaitForRequest() {
  if (shared_.draining) return Close();
  phase_ = Phase::kIdle;
  since_ = steady_clock::now();
  if (buffer_.size() > 0) {
    if (!watching_) return ReadHeader();
    Error ignored;
    stream_.socket().cancel(ignored);  // OnWatched goes on
    return;
  }
  SetDeadline(first_ ? shared_.limits.header : shared_.limits.idle);
  Watch();
}

void Connection::Watch() {
  if (watching_ || buffer_.size() >= kMostAhead) return;
  watching_ = true;
  constexpr std::size_t kPiece = 4096;
  stream_.async_read_some(buffer_.prepare(kPiece),
                          [self = shared_from_this()](const Error& error, std::size_t bytes) {
                            self->OnWatched(error, bytes);
                          });
}

void Connection::OnWatched(const Error& error, std::size_t bytes) {
  watching_ = false;
  buffer_.commit(bytes);
  if (phase_ == Phase::kClosed) return;
  if (error && error != asio::error::operation_aborted) return Close();
  if (phase_ == Phase::kAnswering) return Watch();
  if (phase_ == Phase::kIdle) return buffer_.size() > 0 ? ReadHeader() : WaitForRequest();
}

void Connection::ReadHeader() {
  phase_ = Phase::kHeader;
  first_ = keep_alive_ = chunked_ = head_only_ = false;
  SetDeadline(shared_.limits.header);
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(shared_.limits.header_bytes));
  parser_->body_limit(shared_.limits.body_bytes);
  beast::http::async_read_header(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](const Error& error, std::size_t) { self->OnHeader(error); });
}

Request Connection::TakeRequest() {
  auto& message = parser_->get();
  Request request;
  request.method = std::string(ViewOf(message.method_string()));
  const std::string_view target = ViewOf(message.target());
  request.path = PathOfTarget(target);
  request.query = QueryOfTarget(target);
  for (const auto& field : message) {
    request.headers.emplace_back(ViewOf(field.name_string()), ViewOf(field.value()));
  }
  request.peer = peer_;
  request.local = local_;
  return request;
}

void Connection::OnHeader(const Error& error) {
  if (phase_ != Phase::kHeader) return;
  if (error == beast::http::error::end_of_stream || error == asio::error::operation_aborted ||
      error == asio::ssl::error::stream_truncated) {
    return Close();
  }
  answering_ = true;
  began_ = steady_clock::now();
  if (error)
    return Fail(StatusOf(error), fmt::format("the request cannot be read: {}", error.message()));
  chunked_ = parser_->get().version() >= 11;
  keep_alive_ = chunked_ && parser_->keep_alive();
  head_only_ = parser_->get().method() == beast::http::verb::head;
  const Request request = TakeRequest();
  if (request.path.empty()) return Fail(400, "the request's target is no path");
  const auto length = parser_->content_length();
  if (length && *length > shared_.limits.body_bytes) {
    return Fail(413, fmt::format("the body has {} bytes, at most {} are taken", *length,
                                 shared_.limits.body_bytes));
  }
  if (auto refused = shared_.handler.Refuse(request)) {
    const bool has_body = parser_->chunked() || length.value_or(0) > 0;
    if (has_body) return RefuseRequest(std::move(*refused));
    ended_ = false;
    phase_ = Phase::kAnswering;
    parser_.reset();
    Watch();
    return Respond(std::move(*refused));
  }
  const bool pieces = shared_.handler.TakesPieces(request);
  if (pieces && beast::websocket::is_upgrade(parser_->get())) return Upgrade(request);
  phase_ = Phase::kBody;
  SetDeadline(shared_.limits.body);
  if (!parser_->is_done() && !request.Header("Expect").empty()) {
    Send("HTTP/1.1 100 Continue\r\n\r\n");
  }
  if (pieces) return TakePieces(request);
  if (parser_->is_done()) return OnBody({});
  ReadBody();
}

void Connection::ReadBody() {
  beast::http::async_read_some(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](const Error& error, std::size_t) { self->OnBody(error); });
}

void Connection::OnBody(const Error& error) {
  if (phase_ != Phase::kBody) return;
  if (error) return BodyFailed(error);
  if (!CountBody(parser_->get().body().size() - body_bytes_)) return;
  if (!parser_->is_done()) return ReadBody();
  Request request = TakeRequest();
  request.body = std::move(parser_->get().body());
  parser_.reset();
  phase_ = Phase::kAnswering;
  ClearDeadline();
  const auto exchange =
      std::make_shared<BoundExchange<Connection>>(shared_from_this(), number_, std::move(request));
  Watch();
  shared_.handler.Handle(exchange);
}

// A client that has gone is told nothing.
void Connection::BodyFailed(const Error& error) {
  if (error == asio::error::operation_aborted || error == asio::error::connection_reset ||
      error == beast::http::error::partial_message || error == asio::ssl::error::stream_truncated) {
    return Close();
  }
  Fail(StatusOf(error), fmt::format("the body cannot be read: {}", error.message()));
}

// False: there is no room for it, and the request is refused.
bool Connection::CountBody(std::size_t more) {
  if (more > shared_.limits.bodies_bytes - shared_.bodies_bytes) {
    Fail(503,
         "the requests that are being read take all the memory that is meant for them; try again");
    return false;
  }
  shared_.bodies_bytes += more;
  body_bytes_ += more;
  return true;
}

// The rest of the request is not read: the connection cannot go on.
void Connection::RefuseRequest(Response response) {
  phase_ = Phase::kAnswering;
  keep_alive_ = false;
  Respond(std::move(response));
}

void Connection::Fail(int status, const std::string& message) {
  if (responded_) return Close();
  RefuseRequest(shared_.handler.Refusal(status, message));
}

// --- time ---

void Connection::SetDeadline(milliseconds limit) {
  deadline_ = steady_clock::now() + limit;
  if (!timer_armed_ || timer_.expiry() > deadline_) ArmTimer();
}

void Connection::ArmTimer() {
  timer_armed_ = true;
  timer_.expires_at(deadline_);
  timer_.async_wait([self = shared_from_this()](const Error& error) {
    if (error) return;
    self->timer_armed_ = false;
    if (self->deadline_ == steady_clock::time_point::max()) return;
    if (self->deadline_ > steady_clock::now()) return self->ArmTimer();
    self->OnDeadline();
  });
}

void Connection::OnDeadline() {
  const bool slow_request = phase_ == Phase::kBody || (phase_ == Phase::kHeader && !answering_) ||
                            (phase_ == Phase::kPieces && !responded_);
  if (!slow_request) return Close();
  if (!answering_) began_ = steady_clock::now();
  answering_ = true;
  Fail(408, "the request took too long to arrive");
}

}  // namespace cairn::http
