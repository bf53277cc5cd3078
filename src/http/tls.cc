// SPDX-License-Identifier: Apache-2.0
#include "http/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/error.hpp>

namespace cairn::http {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

namespace {

// Of TLS 1.2: those whose past a stolen key does not open, and that prove what they carry. All of
// TLS 1.3 are such.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

std::unexpected<Error> Wrong(const char* what, const error_code& error) {
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{} ({})", what, error.message()));
}

bool IsReason(const error_code& error, int library, int reason) {
  const auto code = static_cast<unsigned long>(error.value());
  return error.category() == boost::asio::error::get_ssl_category() &&
         ERR_GET_LIB(code) == library && ERR_GET_REASON(code) == reason;
}

// HTTP/1.1 is all that is spoken here: clients that offer HTTP/2 beside it are told so.
int ChooseProtocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* offered, unsigned offered_size, void* /*nothing*/) {
  static constexpr std::array<unsigned char, 9> kOurs = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_size, kOurs.data(), kOurs.size(), offered, offered_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void SetProtocol(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, kCiphers);
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Idle connections hold no buffers; what clients may come back with is in their tickets.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, nullptr);
}

}  // namespace

Tls::Tls() : context_(ssl::context::tls_server) {}

Result<std::shared_ptr<Tls>> Tls::Make(const std::string& certificate, const std::string& key) {
  const std::shared_ptr<Tls> tls(new Tls);
  ssl::context& context = tls->context_;
  SetProtocol(context.native_handle());
  error_code error;
  // An encrypted key is an error; without this OpenSSL would ask on the terminal.
  context.set_password_callback(
      [](std::size_t /*most*/, ssl::context::password_purpose /*what*/) { return std::string(); },
      error);
  context.use_certificate_chain(boost::asio::buffer(certificate), error);
  if (error) return Wrong("the certificate is none in PEM", error);
  context.use_private_key(boost::asio::buffer(key), ssl::context::pem, error);
  if (IsReason(error, ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH) ||
      IsReason(error, ERR_LIB_X509, X509_R_KEY_TYPE_MISMATCH)) {
    return Fail(ErrorCode::kInvalidArgument, "the key does not belong to the certificate");
  }
  if (error) return Wrong("the key is none in PEM, or it is encrypted", error);
  return tls;
}

bool SpeaksPlainHttp(const error_code& failed) {
  return IsReason(failed, ERR_LIB_SSL, SSL_R_HTTP_REQUEST);
}

}  // namespace cairn::http
