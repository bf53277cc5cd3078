// SPDX-License-Identifier: Apache-2.0
// What waits to be written to a client.
//
// It goes out in the order it came, in pieces of at most kPiece, so that the time for one of them
// is one for a pace.
// Threads: the event loop's.
// Owns: the bytes; the stream must outlive it. The listener is kept while something is written.
// Test: http_test.cc.
#pragma once

#include <boost/system/error_code.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "http/stream.h"

namespace cairn::http {

class Outbox {
 public:
  static constexpr std::size_t kPiece = std::size_t{64} << 10;

  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void Sending() = 0;  // a piece begins to go out
    virtual void Sent() = 0;     // nothing waits any more
    virtual void Lost() = 0;     // the client cannot be reached; what waits is not sent
  };

  explicit Outbox(Stream& stream) : stream_(stream) {}

  // `listener` may hear of it before this returns.
  void Send(std::string_view bytes, const std::shared_ptr<Listener>& listener);
  bool busy() const { return writing_; }
  // Bytes that the system has not taken.
  std::size_t unsent() const { return waiting_.size() + sending_.size(); }
  // Bytes that began to be written since the last call.
  std::size_t TakeCount();

 private:
  void WriteNext(std::shared_ptr<Listener> listener);

  Stream& stream_;
  std::string waiting_;
  std::string sending_;   // is being written
  std::size_t sent_ = 0;  // of sending_, handed to the system
  std::size_t count_ = 0;
  bool writing_ = false;
};

}  // namespace cairn::http
