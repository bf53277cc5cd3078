// SPDX-License-Identifier: Apache-2.0
// Requests to a hub: redirects followed, a token told to nobody else, failures that pass tried
// again.
// Threads: a Fetcher is used by one thread; any number may work at the same time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "http/client.h"

namespace cairn::hub {

struct FetchOptions {
  http::ClientOptions client;
  std::string token;  // sent to the origin of the first address alone; empty: none
  // A request that got nowhere is made again so many times, after a pause that doubles. What a
  // server asks for (Retry-After) counts instead, up to the longest pause; past that it is an
  // error.
  int attempts = 8;
  std::chrono::milliseconds pause{250};
  std::chrono::milliseconds longest_pause{120'000};
  std::function<void(std::chrono::milliseconds)> sleep;  // empty: the thread sleeps
};

// How an attempt failed.
struct Failure {
  Error error;
  bool passing = false;                           // another attempt may do better
  std::optional<std::chrono::milliseconds> wait;  // what the server asks for
};

// Counts attempts that got nowhere.
class Patience {
 public:
  explicit Patience(const FetchOptions& options) : options_(options) {}
  // An attempt got somewhere.
  void Renew() { failures_ = 0; }
  // Waits before the next attempt; the Error where there is to be none.
  [[nodiscard]] Result<void> Bear(Failure failure);

 private:
  const FetchOptions& options_;
  int failures_ = 0;
};

class Fetcher {
 public:
  explicit Fetcher(const FetchOptions& options) : options_(options), client_(options.client) {}

  struct Opened {
    http::ResponseHead head;       // 200 or 206
    http::Headers linked_headers;  // of the first answer, which says what the file is
  };
  // One attempt: a GET of [from, to] (to < from: without a range), through at most ten redirects.
  [[nodiscard]] std::expected<Opened, Failure> Open(const http::Url& url, std::uint64_t from = 1,
                                                    std::uint64_t to = 0);
  // The body. 0: it has ended.
  [[nodiscard]] std::expected<std::size_t, Failure> Read(std::span<std::byte> out);

  // A small answer, whole, with all attempts. Errors: kLimit where it has more than `most` bytes.
  [[nodiscard]] Result<std::string> FetchText(const http::Url& url, std::size_t most);

 private:
  [[nodiscard]] std::expected<std::string, Failure> TryText(const http::Url& url, std::size_t most);

  const FetchOptions& options_;
  http::Client client_;
};

}  // namespace cairn::hub
