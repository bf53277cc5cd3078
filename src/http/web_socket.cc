// SPDX-License-Identifier: Apache-2.0
#include "http/web_socket.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <utility>

#include "http/connection.h"

namespace cairn::http {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;

WebSocket::WebSocket(Stream stream, Request request, Shared& shared, std::function<void()> closed)
    : socket_(std::move(stream)),
      request_(std::move(request)),
      shared_(shared),
      closed_(std::move(closed)) {
  // A side that is silent for half of the idle time is asked whether it lives.
  socket_.set_option(websocket::stream_base::timeout{.handshake_timeout = shared.limits.header,
                                                     .idle_timeout = shared.limits.idle,
                                                     .keep_alive_pings = true});
  socket_.read_message_max(shared.limits.body_bytes);
  socket_.text(true);
}

WebSocket::~WebSocket() { shared_.bodies_bytes -= body_bytes_; }

void WebSocket::Accept(const Message& message) {
  socket_.async_accept(message, [self = shared_from_this()](const Error& error) {
    if (error) return self->Finish(true);
    auto exchange = std::make_shared<BoundExchange<WebSocket>>(self, 0, std::move(self->request_));
    self->shared_.handler.Handle(std::move(exchange));
    self->Read();
  });
}

void WebSocket::Close() {
  if (finished_) return;
  Error ignored;
  beast::get_lowest_layer(socket_).socket().close(ignored);
  Finish(true);
}

// --- the client's messages ---

// Also while the answer is made: that is how pings are answered and a goodbye is heard.
void WebSocket::Read() {
  if (finished_) return;
  socket_.async_read(buffer_, [self = shared_from_this()](const Error& error, std::size_t) {
    self->OnRead(error);
  });
}

void WebSocket::OnRead(const Error& error) {
  if (finished_) return;
  if (error) return Finish(!closing_);
  std::string line = beast::buffers_to_string(buffer_.data()) + '\n';
  buffer_.consume(buffer_.size());
  const std::size_t room = std::min(shared_.limits.body_bytes - body_bytes_,
                                    shared_.limits.bodies_bytes - shared_.bodies_bytes);
  if (line.size() > room) {
    if (answered_) return Close();
    Respond(shared_.handler.Refusal(413, "the messages together are longer than a body may be"));
    return Read();
  }
  body_bytes_ += line.size();
  shared_.bodies_bytes += line.size();
  const auto take = hooks_.take;  // it may answer
  if (take && !leaving_) take(std::move(line), false);
  Read();
}

// --- the answer ---

Response WebSocket::NoAnswer() {
  return shared_.handler.Refusal(500, "the request was not answered");
}

void WebSocket::Respond(const Response& response) {
  if (answered_) return;
  answered_ = true;
  outcome_.status = response.status;
  Queue(response.body);
  Leave(response.status < 400   ? websocket::close_code::normal
        : response.status < 500 ? websocket::close_code::policy_error
                                : websocket::close_code::internal_error);
}

void WebSocket::Begin(const Response& head) {
  if (answered_) return;
  answered_ = true;
  outcome_.status = head.status;
}

void WebSocket::Write(std::string_view piece) {
  if (!answered_ || leaving_) return;
  constexpr std::string_view kEnd = "\n\n", kData = "data: ";
  events_ += piece;
  for (std::size_t end = events_.find(kEnd); end != std::string::npos; end = events_.find(kEnd)) {
    const std::string event = events_.substr(0, end);
    events_.erase(0, end + kEnd.size());
    const std::size_t data = event.starts_with(kData) ? 0 : event.find('\n' + std::string(kData));
    if (data == std::string::npos) continue;  // a comment
    const std::size_t begin = data + (data == 0 ? 0 : 1) + kData.size();
    if (event.compare(begin, std::string::npos, "[DONE]") != 0) {
      Queue(std::string_view(event).substr(begin));
    }
  }
}

void WebSocket::End() {
  if (answered_ && !leaving_) Leave(websocket::close_code::normal);
}

void WebSocket::Break() { Leave(websocket::close_code::internal_error); }

void WebSocket::Queue(std::string_view text) {
  if (finished_) return;
  if (writing_ && unsent_ + text.size() > shared_.limits.unsent_bytes) return Close();
  unsent_ += text.size();
  out_.emplace_back(text);
  if (!writing_) WriteNext();
}

void WebSocket::Leave(websocket::close_code code) {
  leaving_ = true;
  code_ = code;
  if (!writing_) WriteNext();
}

void WebSocket::WriteNext() {
  if (finished_) return;
  const auto self = shared_from_this();
  writing_ = !out_.empty() || leaving_;
  if (!out_.empty()) {
    outcome_.sent_bytes += out_.front().size();
    return socket_.async_write(boost::asio::buffer(out_.front()),
                               [self](const Error& error, std::size_t) {
                                 if (error) return self->Finish(true);
                                 self->unsent_ -= self->out_.front().size();
                                 self->out_.pop_front();
                                 self->WriteNext();
                               });
  }
  if (!leaving_) return;
  closing_ = true;
  socket_.async_close(code_, [self](const Error&) { self->Finish(false); });
}

void WebSocket::Finish(bool gone) {
  if (std::exchange(finished_, true)) return;
  outcome_.gone = gone;
  outcome_.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  const ExchangeHooks hooks = std::exchange(hooks_, {});
  if (gone && hooks.gone) hooks.gone();
  if (hooks.end) hooks.end(outcome_);
  const auto closed = std::exchange(closed_, nullptr);
  if (closed) closed();
}

}  // namespace cairn::http
