// SPDX-License-Identifier: Apache-2.0
// How a connection answers; connection.cc is how it reads.
#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "http/connection.h"
#include "http/farewell.h"

namespace cairn::http {

using std::chrono::steady_clock;

void Connection::Respond(Response response) {
  if (responded_) return;
  LeavePieces();
  responded_ = true;
  outcome_.status = response.status;
  std::ranges::move(std::exchange(also_, {}), std::back_inserter(response.headers));
  std::string head =
      HeadOf(response, static_cast<std::int64_t>(response.body.size()), keep_alive_, false);
  if (!head_only_) head += response.body;
  ended_ = true;
  Send(head);
}

void Connection::Begin(Response head) {
  if (responded_) return;
  responded_ = true;
  streams_ = true;
  outcome_.status = head.status;
  std::ranges::move(std::exchange(also_, {}), std::back_inserter(head.headers));
  if (!chunked_) keep_alive_ = false;  // HTTP/1.0: the end of the connection is that of the body
  Send(HeadOf(head, -1, keep_alive_, chunked_));
}

void Connection::Write(std::string_view piece) {
  if (!streams_ || ended_ || piece.empty() || head_only_) return;
  if (chunked_) {
    Send(fmt::format("{:x}\r\n{}\r\n", piece.size(), piece));
  } else {
    Send(piece);
  }
}

void Connection::End() {
  if (!streams_ || ended_) return;
  LeavePieces();
  ended_ = true;
  if (chunked_ && !head_only_) {
    Send("0\r\n\r\n");
  } else if (!outbox_.busy()) {
    Finished();
  }
}

void Connection::Break() {
  if (!ended_) Close();
}

void Connection::Send(std::string_view bytes) {
  if (phase_ == Phase::kClosed) return;
  // One piece alone may be longer; a reader that keeps up has taken it before the next one.
  if (streams_ && outbox_.busy() && outbox_.unsent() + bytes.size() > shared_.limits.unsent_bytes) {
    return Close();
  }
  outbox_.Send(bytes, shared_from_this());
}

void Connection::Sending() {
  if (phase_ == Phase::kAnswering) SetDeadline(shared_.limits.write);
}

void Connection::Sent() {
  if (phase_ != Phase::kAnswering) return;
  ClearDeadline();
  if (ended_) Finished();
}

void Connection::Finished() {
  outcome_.sent_bytes = outbox_.TakeCount();
  outcome_.seconds = std::chrono::duration<double>(steady_clock::now() - began_).count();
  answering_ = false;
  ++number_;
  const auto end = std::exchange(hooks_, {}).end;
  const Outcome outcome = std::exchange(outcome_, {});
  const bool goes_on = keep_alive_ && !shared_.draining;
  responded_ = streams_ = ended_ = false;
  also_.clear();
  ReleaseBody();
  if (end) end(outcome);
  if (!goes_on) return Linger();
  WaitForRequest();
}

void Connection::Linger() {
  phase_ = Phase::kLingering;
  SetDeadline(kFarewell);
  SayFarewell(stream_, [self = shared_from_this()] { self->Close(); });
}

void Connection::Gone() {
  if (!answering_) return;
  answering_ = false;
  ++number_;
  outcome_.gone = true;
  outcome_.sent_bytes = outbox_.TakeCount();
  outcome_.seconds = std::chrono::duration<double>(steady_clock::now() - began_).count();
  const ExchangeHooks hooks = std::exchange(hooks_, {});
  if (hooks.gone) hooks.gone();
  if (hooks.end) hooks.end(outcome_);
}

void Connection::ReleaseBody() { shared_.bodies_bytes -= std::exchange(body_bytes_, 0); }

}  // namespace cairn::http
