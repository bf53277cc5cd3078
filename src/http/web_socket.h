// SPDX-License-Identifier: Apache-2.0
// A request over a WebSocket: each message of the client is a line of the body, each event of the
// answer a message.
//
// The handler sees a request like any other (Handler::TakesPieces): a message comes as a piece that
// ends in a line break. Of what it answers, the data of server-sent events go out as messages
// (comments and "[DONE]" do not); an answer that is no stream is one message. Then the socket is
// closed: 1000 after an answer, 1008 after a refusal, 1011 where a stream breaks.
// Threads: the event loop's. It lives as long as something is going on with it.
// Owns: the stream. Test: http_test.cc, tests/e2e/test_prompt_stream.py.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "http/bound_exchange.h"
#include "http/exchange.h"
#include "http/stream.h"

namespace cairn::http {

struct Shared;

class WebSocket : public std::enable_shared_from_this<WebSocket> {
 public:
  using Message = boost::beast::http::request<boost::beast::http::string_body>;

  WebSocket(Stream stream, Request request, Shared& shared, std::function<void()> closed);
  ~WebSocket();

  // Shakes hands, then hands the request to the handler. `message` is read before it returns.
  void Accept(const Message& message);
  // At once; an exchange under way learns that its client has gone.
  void Close();

 private:
  template <typename C>
  friend class BoundExchange;
  using Error = boost::system::error_code;

  void Read();
  void OnRead(const Error& error);
  void Queue(std::string_view text);
  void WriteNext();
  void Leave(boost::beast::websocket::close_code code);
  void Finish(bool gone);

  // For the exchange.
  Stream::executor_type stream_executor() { return socket_.get_executor(); }
  bool At(std::uint64_t /*number*/) const { return !finished_; }
  bool answered() const { return answered_; }
  bool ended() const { return leaving_; }
  ExchangeHooks& hooks() { return hooks_; }
  Response NoAnswer();
  void Also(const Headers& /*headers*/) {}  // there are none
  void Respond(const Response& response);
  void Begin(const Response& head);
  void Write(std::string_view piece);
  void End();
  void Break();

  boost::beast::websocket::stream<Stream> socket_;
  Request request_;  // until the handler has it
  Shared& shared_;
  std::function<void()> closed_;
  ExchangeHooks hooks_;
  boost::beast::flat_buffer buffer_;
  std::size_t body_bytes_ = 0;  // of Shared::bodies_bytes
  std::string events_;          // of the answer, up to the end of one
  std::deque<std::string> out_;
  std::size_t unsent_ = 0;  // bytes of out_
  bool writing_ = false;
  bool answered_ = false;
  bool leaving_ = false;   // all of the answer is in out_
  bool closing_ = false;   // and sent; goodbye is being said
  bool finished_ = false;  // nobody is told anything any more
  boost::beast::websocket::close_code code_ = boost::beast::websocket::close_code::normal;
  Outcome outcome_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace cairn::http
