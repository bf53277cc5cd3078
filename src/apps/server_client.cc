// SPDX-License-Identifier: Apache-2.0
#include "apps/server_client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
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
namespace ssl = asio::ssl;
using asio::ip::tcp;

constexpr std::size_t kMostBody = std::size_t{256} << 20;
constexpr long kSeconds = 300;

}  // namespace

struct ServerClient::State {
  ServerAddress address;
  asio::io_context loop;
  ssl::context tls{ssl::context::tls_client};
  ssl::stream<tcp::socket> stream{loop, tls};
  boost::beast::flat_buffer buffer;

  tcp::socket& socket() { return stream.next_layer(); }
  // `act` on the connection, with or without TLS.
  template <typename Act>
  void OnStream(const Act& act) {
    if (address.tls) {
      act(stream);
    } else {
      act(socket());
    }
  }
  boost::system::error_code Shake() {
    boost::system::error_code error;
    tls.set_default_verify_paths(error);
    stream.set_verify_mode(ssl::verify_peer, error);
    stream.set_verify_callback(ssl::host_name_verification(address.host), error);
    SSL_set_tlsext_host_name(stream.native_handle(), address.host.c_str());
    stream.handshake(ssl::stream_base::client, error);
    return error;
  }
  std::string Where() const {
    return fmt::format("the server at {}:{}", address.host, address.port);
  }
};

Result<ServerAddress> ParseServerUrl(const std::string& url) {
  const auto parsed = http::ParseUrl(url);
  if (!parsed || parsed->target != "/") {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no address of a server; http://HOST:PORT or https://HOST:PORT "
                            "was expected",
                            Printable(url, 100)));
  }
  const char* key = std::getenv("CAIRN_API_KEY");
  return ServerAddress{.tls = parsed->tls,
                       .host = parsed->host,
                       .port = parsed->port,
                       .key = key != nullptr ? key : ""};
}

ServerClient::ServerClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
ServerClient::ServerClient(ServerClient&&) noexcept = default;
ServerClient::~ServerClient() = default;

Result<ServerClient> ServerClient::Connect(const ServerAddress& address) {
  auto state = std::make_unique<State>();
  state->address = address;
  boost::system::error_code error;
  const auto found = tcp::resolver(state->loop).resolve(address.host, address.port, error);
  if (!error) asio::connect(state->socket(), found, error);
  if (error) {
    return Fail(ErrorCode::kIo,
                fmt::format("{} cannot be reached: {}", state->Where(), error.message()));
  }
  const timeval limit{.tv_sec = kSeconds, .tv_usec = 0};
  for (const int which : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    setsockopt(state->socket().native_handle(), SOL_SOCKET, which, &limit, sizeof limit);
  }
  if (address.tls) error = state->Shake();
  if (error) {
    return Fail(ErrorCode::kIo, fmt::format("{} cannot be spoken to over TLS: {}", state->Where(),
                                            error.message()));
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
  state_->OnStream([&](auto& stream) { beast_http::write(stream, request, error); });
  beast_http::response_parser<beast_http::string_body> parser;
  parser.body_limit(kMostBody);
  if (!error) {
    state_->OnStream(
        [&](auto& stream) { beast_http::read(stream, state_->buffer, parser, error); });
  }
  if (error) {
    return Fail(ErrorCode::kIo,
                fmt::format("the connection to {} broke: {}", state_->Where(), error.message()));
  }
  auto& response = parser.get();
  if (response.result() != beast_http::status::ok) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} says {}: {}", state_->Where(), response.result_int(),
                            Printable(response.body(), 300)));
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
