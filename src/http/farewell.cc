// SPDX-License-Identifier: Apache-2.0
#include "http/farewell.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <cstddef>
#include <memory>
#include <utility>

namespace cairn::http {
namespace {

// What a client may still send after its request was refused, so that it gets to read why.
constexpr std::size_t kMostBytes = std::size_t{1} << 20;

using Error = boost::system::error_code;

class Farewell : public std::enable_shared_from_this<Farewell> {
 public:
  Farewell(Stream& stream, std::function<void()> over) : stream_(stream), over_(std::move(over)) {}

  void Say() {
    if (!stream_.secure()) return LeaveOff();
    stream_.Shutdown([self = shared_from_this()](const Error&) { self->LeaveOff(); });
  }

 private:
  void LeaveOff() {
    Error ignored;
    stream_.socket().shutdown(Stream::Socket::shutdown_send, ignored);
    Drop();
  }
  // Encrypted or not: nobody looks at it.
  void Drop() {
    stream_.socket().async_read_some(
        boost::asio::buffer(rest_),
        [self = shared_from_this()](const Error& error, std::size_t bytes) {
          self->dropped_ += bytes;
          if (error || self->dropped_ > kMostBytes) return self->over_();
          self->Drop();
        });
  }

  Stream& stream_;
  std::function<void()> over_;
  std::array<char, 4096> rest_;
  std::size_t dropped_ = 0;
};

}  // namespace

void SayFarewell(Stream& stream, std::function<void()> over) {
  // Whoever reads still hears that it was for nothing.
  Error ignored;
  stream.socket().cancel(ignored);
  std::make_shared<Farewell>(stream, std::move(over))->Say();
}

}  // namespace cairn::http
