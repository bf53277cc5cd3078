// SPDX-License-Identifier: Apache-2.0
// How a connection takes a request in pieces, and how it becomes a WebSocket.
#include <boost/beast/http/read.hpp>
#include <utility>

#include "http/connection.h"
#include "http/web_socket.h"

namespace cairn::http {

void Connection::TakePieces(Request request) {
  phase_ = Phase::kPieces;
  shared_.handler.Handle(
      std::make_shared<BoundExchange<Connection>>(shared_from_this(), number_, std::move(request)));
  if (phase_ != Phase::kPieces) return;
  if (parser_->is_done()) return OnPiece({});
  ReadPiece();
}

// The time for a body is that between two pieces here.
void Connection::ReadPiece() {
  SetDeadline(shared_.limits.body);
  boost::beast::http::async_read_some(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](const Error& error, std::size_t) { self->OnPiece(error); });
}

void Connection::OnPiece(const Error& error) {
  if (phase_ == Phase::kAnswering && error) return Close();  // answered before the body's end
  if (phase_ != Phase::kPieces) return;
  if (error) return BodyFailed(error);
  std::string piece = std::exchange(parser_->get().body(), {});
  if (!CountBody(piece.size())) return;
  const bool last = parser_->is_done();
  if (last) {
    phase_ = Phase::kAnswering;
    ClearDeadline();
    parser_.reset();
    Watch();
  }
  const auto take = last ? std::exchange(hooks_.take, nullptr) : hooks_.take;  // it may answer
  if (take && (last || !piece.empty())) take(std::move(piece), last);
  if (phase_ == Phase::kPieces) ReadPiece();
}

// Answered whole before the end of the body, which is not read any more: the connection cannot go
// on. Its read is still under way and keeps the parser.
void Connection::LeavePieces() {
  if (phase_ != Phase::kPieces) return;
  phase_ = Phase::kAnswering;
  keep_alive_ = false;
  ClearDeadline();
}

void Connection::Upgrade(Request request) {
  phase_ = Phase::kUpgraded;
  timer_.cancel();
  answering_ = false;  // from here on the WebSocket does
  web_socket_ = std::make_shared<WebSocket>(std::move(stream_), std::move(request), shared_,
                                            [self = shared_from_this()] {
                                              if (self->phase_ == Phase::kClosed) return;
                                              self->phase_ = Phase::kClosed;
                                              self->closed_(*self);
                                            });
  web_socket_->Accept(parser_->get());
}

}  // namespace cairn::http
