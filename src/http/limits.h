// SPDX-License-Identifier: Apache-2.0
// What clients may take of the server before anybody looks at what they want.
// Threads: plain values.
#pragma once

#include <chrono>
#include <cstddef>

namespace cairn::http {

struct HttpLimits {
  // Past it a connection that waits for its next request makes room for the new one; where none
  // does, the new one gets a 503. A connection takes about 20 KB.
  int connections = 1024;
  std::size_t header_bytes = std::size_t{32} << 10;  // request line and headers: 431 past it
  std::size_t body_bytes = std::size_t{16} << 20;    // of one request: 413 past it
  // Of all requests that are being read or answered; past it a request gets a 503.
  std::size_t bodies_bytes = std::size_t{256} << 20;
  // Of an answer that streams to a client that does not read, beside what the system buffers (some
  // megabytes): past it the answer is cancelled and the connection closed.
  std::size_t unsent_bytes = std::size_t{1} << 20;
  std::chrono::milliseconds idle{75'000};    // between two requests
  std::chrono::milliseconds header{10'000};  // from a request's first byte to its headers: 408
  std::chrono::milliseconds body{60'000};    // from there to its end: 408
  std::chrono::milliseconds write{30'000};   // for what is sent at once (at most 64 KiB of a body)
};

}  // namespace cairn::http
