// SPDX-License-Identifier: Apache-2.0
#include "apps/server_client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <utility>

#include "base/printable.h"
#include "http/url.h"
#include "server/json_members.h"

namespace cairn::apps {
namespace {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;
using asio::ip::tcp;

constexpr std::size_t kMostBody = std::size_t{256} << 20;
constexpr long kSeconds = 300;

}  // namespace

struct ServerClient::State {
  ServerAddress address;
  asio::io_context loop;
  tcp::socket socket{loop};
  boost::beast::flat_buffer buffer;
};

Result<ServerAddress> ParseServerUrl(const std::string& url) {
  const auto parsed = http::ParseUrl(url);
  if (!parsed || parsed->tls || parsed->target != "/") {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no address of a server; http://HOST:PORT was expected",
                            Printable(url, 100)));
  }
  const char* key = std::getenv("CAIRN_API_KEY");
  return ServerAddress{
      .host = parsed->host, .port = parsed->port, .key = key != nullptr ? key : ""};
}

ServerClient::ServerClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
ServerClient::ServerClient(ServerClient&&) noexcept = default;
ServerClient::~ServerClient() = default;

Result<ServerClient> ServerClient::Connect(const ServerAddress& address) {
  auto state = std::make_unique<State>();
  state->address = address;
  boost::system::error_code error;
  const auto found = tcp::resolver(state->loop).resolve(address.host, address.port, error);
  if (!error) asio::connect(state->socket, found, error);
  if (error) {
    return Fail(ErrorCode::kIo, fmt::format("the server at {}:{} cannot be reached: {}",
                                            address.host, address.port, error.message()));
  }
  const timeval limit{.tv_sec = kSeconds, .tv_usec = 0};
  for (const int which : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    setsockopt(state->socket.native_handle(), SOL_SOCKET, which, &limit, sizeof limit);
  }
  return ServerClient(std::move(state));
}

Result<std::string> ServerClient::Ask(const std::string& path, std::string body) {
  beast_http::request<beast_http::string_body> request(
      body.empty() ? beast_http::verb::get : beast_http::verb::post, path, 11);
  request.set(beast_http::field::host, "localhost");
  request.set(beast_http::field::content_type, "application/json");
  if (!state_->address.key.empty()) {
    request.set(beast_http::field::authorization, "Bearer " + state_->address.key);
  }
  request.body() = std::move(body);
  request.prepare_payload();
  boost::system::error_code error;
  beast_http::write(state_->socket, request, error);
  beast_http::response_parser<beast_http::string_body> parser;
  parser.body_limit(kMostBody);
  if (!error) beast_http::read(state_->socket, state_->buffer, parser, error);
  if (error) {
    return Fail(ErrorCode::kIo,
                fmt::format("the connection to the server at {}:{} broke: {}", state_->address.host,
                            state_->address.port, error.message()));
  }
  auto& response = parser.get();
  if (response.result() != beast_http::status::ok) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the server at {}:{} says {}: {}", state_->address.host, state_->address.port,
                    response.result_int(), Printable(response.body(), 300)));
  }
  return std::move(response.body());
}

Result<std::string> ServerClient::Get(const std::string& path) { return Ask(path, ""); }

Result<boost::json::value> ServerClient::Post(const std::string& path,
                                              const boost::json::object& body) {
  const std::string answer = OR_RETURN(Ask(path, boost::json::serialize(body)));
  auto value = server::ParseJson(answer, kMostBody);
  if (value) return value;
  return std::unexpected(std::move(value).error().Within("the server's answer"));
}

}  // namespace cairn::apps
