// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <cstdlib>
#include <utility>

#include "base/printable.h"

namespace cairn::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

using Message = beast::http::request<beast::http::empty_body>;
using Parser = beast::http::response_parser<beast::http::buffer_body>;
using TlsStream = ssl::stream<beast::tcp_stream>;

// What went wrong, for a person who knows no error codes.
std::string Explain(const error_code& error) {
  if (error == beast::error::timeout) return "it was silent for too long";
  if (error == beast::http::error::end_of_stream || error == beast::http::error::partial_message ||
      error == asio::error::eof || error == ssl::error::stream_truncated) {
    return "the connection ended too early";
  }
  if (error.category() == asio::error::get_ssl_category()) {
    return fmt::format("the TLS connection failed ({})", error.message());
  }
  return error.message();
}

std::string View(beast::string_view text) { return std::string(text.data(), text.size()); }

}  // namespace

struct Client::State {
  explicit State(ClientOptions options_in) : options(std::move(options_in)) {}

  // Runs an asynchronous operation to its end; the stream's timer ends it at the latest.
  template <typename Start>
  error_code Await(std::chrono::milliseconds most, const Start& start) {
    beast::get_lowest_layer(*stream).expires_after(most);
    error_code result = asio::error::operation_aborted;
    start([&](const error_code& error, auto&&...) { result = error; });
    loop.restart();
    loop.run();
    return result;
  }
  // `act` on the connection, with or without TLS.
  template <typename Act>
  void OnStream(const Act& act) {
    if (through_tls) {
      act(*stream);
    } else {
      act(stream->next_layer());
    }
  }
  [[nodiscard]] Result<void> Connect(const Url& url);
  [[nodiscard]] Result<void> Tunnel(const Url& url);
  [[nodiscard]] Result<void> Shake(const Url& url);
  [[nodiscard]] Result<void> Exchange(const Url& url, const Message& request);
  std::unexpected<Error> Broken(std::string_view what, const error_code& error) {
    Close();
    return Fail(ErrorCode::kIo, fmt::format("{} {}: {}", what, server.Authority(), Explain(error)));
  }
  void Close() {
    stream.reset();
    parser.reset();
  }

  ClientOptions options;
  asio::io_context loop;
  ssl::context tls{ssl::context::tls_client};
  bool tls_ready = false;
  std::optional<TlsStream> stream;
  bool through_tls = false;
  bool by_proxy = false;  // a plain request that a proxy hands on
  Url server;             // whom the stream leads to
  beast::flat_buffer buffer;
  std::optional<Parser> parser;
};

Client::Client(ClientOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<void> Client::State::Connect(const Url& url) {
  Close();
  server = url;
  Url to = url;
  const std::string proxy = options.proxy != nullptr ? options.proxy(url) : "";
  if (!proxy.empty()) {
    to = OR_RETURN(ParseUrl(proxy));
    if (to.tls) return Fail(ErrorCode::kInvalidArgument, "a proxy is reached over http:// only");
  }
  error_code error;
  if (!tls_ready) {
    tls.set_default_verify_paths(error);
    tls.set_verify_mode(ssl::verify_peer, error);
    tls_ready = true;
  }
  const auto found = tcp::resolver(loop).resolve(to.host, to.port, error);
  if (error) {
    return Fail(ErrorCode::kIo,
                fmt::format("the name {} cannot be resolved: {}; is there a network?", to.host,
                            error.message()));
  }
  buffer.clear();
  stream.emplace(loop, tls);
  error = Await(options.connect,
                [&](auto done) { stream->next_layer().async_connect(found, std::move(done)); });
  if (error)
    return Broken(proxy.empty() ? "no connection to" : "no connection by the proxy to", error);
  through_tls = false;
  by_proxy = !proxy.empty() && !url.tls;
  if (!proxy.empty() && url.tls) OR_RETURN(Tunnel(url));
  return url.tls ? Shake(url) : Result<void>();
}

// Asks a proxy for a connection to the server itself.
Result<void> Client::State::Tunnel(const Url& url) {
  const std::string authority = fmt::format("{}:{}", url.host, url.port);
  Message request(beast::http::verb::connect, authority, 11);
  request.set(beast::http::field::host, authority);
  OR_RETURN(Exchange(url, request));
  const int status = static_cast<int>(parser->get().result_int());
  parser.reset();
  if (status == 200) return {};
  Close();
  return Fail(ErrorCode::kIo,
              fmt::format("the proxy refuses a connection to {} ({})", authority, status));
}

Result<void> Client::State::Shake(const Url& url) {
  through_tls = true;
  SSL_set_tlsext_host_name(stream->native_handle(), url.host.c_str());
  error_code error;
  stream->set_verify_callback(ssl::host_name_verification(url.host), error);
  error = Await(options.connect, [&](auto done) {
    stream->async_handshake(ssl::stream_base::client, std::move(done));
  });
  if (error) return Broken("no trusted connection to", error);
  return {};
}

// Sends a request and reads the head of its answer.
Result<void> Client::State::Exchange(const Url& url, const Message& request) {
  error_code error = Await(options.silence, [&](auto done) {
    OnStream([&](auto& to) { beast::http::async_write(to, request, std::move(done)); });
  });
  if (!error) {
    parser.emplace();
    parser->header_limit(static_cast<std::uint32_t>(options.header_bytes));
    parser->body_limit(boost::none);
    if (request.method() == beast::http::verb::connect) parser->skip(true);
    error = Await(options.silence, [&](auto done) {
      OnStream([&](auto& from) {
        beast::http::async_read_header(from, buffer, *parser, std::move(done));
      });
    });
  }
  if (!error) return {};
  server = url;
  return Broken("no answer from", error);
}

Result<ResponseHead> Client::Get(const Url& url, const Headers& headers) {
  State& s = *state_;
  const bool kept = s.stream && s.parser && s.parser->is_done() && s.parser->get().keep_alive() &&
                    s.server.SameOrigin(url);
  if (!kept) OR_RETURN(s.Connect(url));
  Message request(beast::http::verb::get, s.by_proxy ? url.Text() : url.target, 11);
  request.set(beast::http::field::host, url.Authority());
  request.set(beast::http::field::user_agent, s.options.agent);
  request.set(beast::http::field::accept_encoding, "identity");
  for (const auto& [name, value] : headers) request.set(name, value);
  auto sent = s.Exchange(url, request);
  if (!sent && kept) {  // the server may have closed a connection that it kept
    OR_RETURN(s.Connect(url));
    request.target(s.by_proxy ? url.Text() : url.target);
    sent = s.Exchange(url, request);
  }
  if (!sent) return std::unexpected(std::move(sent).error());
  ResponseHead head{.status = static_cast<int>(s.parser->get().result_int())};
  for (const auto& field : s.parser->get()) {
    head.headers.emplace_back(View(field.name_string()), View(field.value()));
  }
  if (const auto length = s.parser->content_length()) head.length = *length;
  return head;
}

Result<std::size_t> Client::Read(std::span<std::byte> out) {
  State& s = *state_;
  if (!s.stream || !s.parser) return Fail(ErrorCode::kIo, "there is no answer to read");
  while (!s.parser->is_done()) {
    auto& body = s.parser->get().body();
    body.data = out.data();
    body.size = out.size();
    body.more = true;
    error_code error = s.Await(s.options.silence, [&](auto done) {
      s.OnStream([&](auto& from) {
        beast::http::async_read_some(from, s.buffer, *s.parser, std::move(done));
      });
    });
    if (error == beast::http::error::need_buffer) error = {};
    const std::size_t read = out.size() - body.size;
    // What has come counts, whatever comes behind it.
    if (read > 0) return read;
    if (error) return s.Broken("the answer of", error);
  }
  return std::size_t{0};
}

// --- proxies --------------------------------------------------------------------------------

namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Whether a list such as "localhost,.example.org,*" has a host.
bool Excepted(std::string_view list, std::string_view host) {
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), item.size() + 1));
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (item == "*") return true;
    while (item.starts_with('.')) item.remove_prefix(1);
    if (item.empty() || !host.ends_with(item)) continue;
    const std::size_t before = host.size() - item.size();
    if (before == 0 || host[before - 1] == '.') return true;
  }
  return false;
}

}  // namespace

std::string ProxyOfEnvironment(const Url& url) {
  for (const char* name : {"no_proxy", "NO_PROXY"}) {
    if (Excepted(Environment(name), url.host)) return "";
  }
  // HTTP_PROXY in capitals is what a web server calls a client's header: it is not read.
  std::string proxy = url.tls ? Environment("https_proxy") : Environment("http_proxy");
  if (proxy.empty() && url.tls) proxy = Environment("HTTPS_PROXY");
  if (proxy.empty()) proxy = Environment("all_proxy");
  if (proxy.empty()) proxy = Environment("ALL_PROXY");
  if (!proxy.empty() && !proxy.contains("://")) proxy.insert(0, "http://");
  return proxy;
}

}  // namespace cairn::http
