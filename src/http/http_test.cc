// SPDX-License-Identifier: Apache-2.0
// The HTTP front over real sockets, with a handler that repeats what it gets.
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <thread>

#include "http/server.h"

namespace cairn::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// /echo repeats the body; /elsewhere does so from another thread, which lets go first; /stream says
// three pieces; /hold waits for the client to go; /drop lets go of the exchange; /flood writes
// until the client is thrown out.
class Repeater final : public Handler {
 public:
  std::promise<void> gone, holding;

  std::optional<Response> Refuse(const Request& request) override {
    if (request.path == "/refused") return Refusal(403, "no");
    return std::nullopt;
  }
  void Handle(std::shared_ptr<Exchange> exchange) override {
    const std::string path = exchange->request().path;
    if (path == "/echo") exchange->Respond({.body = exchange->request().body});
    if (path == "/elsewhere") {
      std::thread([exchange] { exchange->Respond({.body = exchange->request().body}); }).join();
    }
    if (path == "/stream") {
      exchange->Begin({.type = "text/event-stream"});
      for (const char* piece : {"one ", "two ", "three"}) exchange->Write(piece);
      exchange->End();
    }
    if (path == "/hold" || path == "/flood") {
      held_ = exchange;
      exchange->OnGone([this] { gone.set_value(); });
      holding.set_value();
    }
    if (path == "/flood") {
      exchange->Begin({});
      for (int i = 0; i < 400; ++i) exchange->Write(std::string(64 << 10, 'x'));
    }
  }
  Response Refusal(int status, std::string message) override {
    return {.status = status, .body = std::move(message)};
  }

 private:
  std::shared_ptr<Exchange> held_;
};

class HttpTest : public ::testing::Test {
 protected:
  void Serve(const HttpLimits& limits = {}) {
    server_ = std::make_unique<HttpServer>(loop_, handler_, limits);
    const auto port = server_->Listen("127.0.0.1", 0);
    ASSERT_TRUE(port) << port.error().message;
    port_ = *port;
    thread_ = std::thread([this] {
      const auto guard = asio::make_work_guard(loop_);
      loop_.run();
    });
  }
  void TearDown() override {
    if (!thread_.joinable()) return;
    asio::post(loop_, [this] {
      server_->CloseAll();
      loop_.stop();
    });
    thread_.join();
    server_.reset();
  }
  tcp::socket Connect() {
    tcp::socket socket(client_);
    socket.connect(
        tcp::endpoint(asio::ip::make_address("127.0.0.1"), static_cast<std::uint16_t>(port_)));
    return socket;
  }
  // Everything until the server closes.
  std::string Ask(const std::string& text) {
    tcp::socket socket = Connect();
    asio::write(socket, asio::buffer(text));
    std::string answer;
    boost::system::error_code error;
    asio::read(socket, asio::dynamic_buffer(answer), error);
    return answer;
  }

  Repeater handler_;
  asio::io_context loop_{1}, client_;
  std::unique_ptr<HttpServer> server_;
  int port_ = 0;
  std::thread thread_;
};

std::string Post(const std::string& path, const std::string& body, bool close) {
  return "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
         (close ? "\r\nConnection: close" : "") + "\r\n\r\n" + body;
}

TEST_F(HttpTest, PipelinedRequestsAreAnsweredInTheirOrder) {
  Serve();
  const std::string answer = Ask(Post("/echo", "first", false) + Post("/echo", "second", false) +
                                 Post("/echo", "3", true));
  const std::size_t first = answer.find("first"), second = answer.find("second");
  ASSERT_NE(first, std::string::npos);
  ASSERT_NE(second, std::string::npos);
  EXPECT_LT(first, second);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n3")) << answer;
}

TEST_F(HttpTest, StreamsAreChunkedAndForOldClientsEndWithTheConnection) {
  Serve();
  EXPECT_TRUE(Ask("GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                  .ends_with("4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n"));
  EXPECT_TRUE(Ask("GET /stream HTTP/1.0\r\n\r\n").ends_with("\r\n\r\none two three"));
}

TEST_F(HttpTest, AnExchangeThatIsDroppedIsA500) {
  Serve();
  EXPECT_TRUE(Ask("GET /drop HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                  .starts_with("HTTP/1.1 500 "));
}

TEST_F(HttpTest, AnAnswerFromAnotherThreadCountsWhoeverLetsGoLast) {
  Serve();
  EXPECT_TRUE(Ask(Post("/elsewhere", "there", true)).ends_with("\r\n\r\nthere"));
}

TEST_F(HttpTest, WhatIsNoRequestIsRefusedAndTooLongOnesToo) {
  Serve({.header_bytes = 1000, .body_bytes = 100});
  EXPECT_TRUE(Ask("rubbish\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(Ask("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(Ask("GET /echo HTTP/1.1\r\nA: " + std::string(2000, 'a') + "\r\n\r\n")
                  .starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(Ask(Post("/echo", std::string(101, 'b'), true)).starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" +
                  std::string(0x65, 'c') + "\r\n0\r\n\r\n")
                  .starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(Ask(Post("/refused", "body", true)).starts_with("HTTP/1.1 403 "));
  EXPECT_TRUE(Ask(Post("/echo", std::string(100, 'd'), true)).starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpTest, LengthAndChunksTogetherAreRefused) {
  Serve();
  EXPECT_TRUE(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
                  .starts_with("HTTP/1.1 400 "));
}

TEST_F(HttpTest, TricklingHeadersAndBodiesRunOutOfTime) {
  using std::chrono::milliseconds;
  Serve({.header = milliseconds(50), .body = milliseconds(50)});
  EXPECT_TRUE(Ask("GET /echo HT").starts_with("HTTP/1.1 408 "));
  EXPECT_TRUE(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
                  .starts_with("HTTP/1.1 408 "));
}

TEST_F(HttpTest, AClientThatGoesIsNoticedWhileItsAnswerIsMade) {
  Serve();
  {
    tcp::socket socket = Connect();
    asio::write(socket, asio::buffer(std::string("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")));
  }
  EXPECT_EQ(handler_.gone.get_future().wait_for(std::chrono::seconds(20)),
            std::future_status::ready);
}

TEST_F(HttpTest, AClientThatDoesNotReadIsThrownOut) {
  Serve();
  tcp::socket socket = Connect();
  asio::write(socket, asio::buffer(std::string("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")));
  EXPECT_EQ(handler_.gone.get_future().wait_for(std::chrono::seconds(20)),
            std::future_status::ready);
}

TEST_F(HttpTest, AFullServerClosesWhoWaitsLongestAndTurnsTheRestAway) {
  Serve({.connections = 1});
  tcp::socket idle = Connect();
  EXPECT_TRUE(Ask(Post("/echo", "in", true)).starts_with("HTTP/1.1 200 "));
  tcp::socket busy = Connect();
  asio::write(busy, asio::buffer(std::string("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")));
  // Until its request has been read it still counts as idle and would be closed itself.
  handler_.holding.get_future().wait();
  const std::string answer = Ask("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
}

TEST(MessageTest, PathsOfTargets) {
  EXPECT_EQ(PathOfTarget("/v1/models?x=1"), "/v1/models");
  EXPECT_EQ(PathOfTarget("HTTP://host:1/a%20b"), "/a b");
  EXPECT_EQ(PathOfTarget("http://host"), "/");
  for (const char* bad : {"", "*", "host:80", "/%", "/%0", "/%00", "/%g0"}) {
    EXPECT_EQ(PathOfTarget(bad), "") << bad;
  }
  EXPECT_EQ(QueryValue("a=1&b=x%2By+z", "b"), "x+y z");
  EXPECT_EQ(QueryValue("a&b", "c"), "");
}

TEST(MessageTest, TokensOfBearersInAnyCase) {
  EXPECT_EQ(BearerToken("Bearer a.B"), "a.B");
  EXPECT_EQ(BearerToken("bearer a"), "a");
  EXPECT_EQ(BearerToken("BEARER   a b"), "a b");
  EXPECT_EQ(BearerToken("bEaReR "), "");
  for (const char* other : {"", "a", "Bearer", "Bearers a", "Basic a", " Bearer a", "Bearer\ta"}) {
    EXPECT_EQ(BearerToken(other), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace cairn::http
