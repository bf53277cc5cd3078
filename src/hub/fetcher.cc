// SPDX-License-Identifier: Apache-2.0
#include "hub/fetcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <thread>
#include <utility>

#include "base/printable.h"

namespace cairn::hub {
namespace {

using std::chrono::milliseconds;

constexpr int kMostRedirects = 10;
constexpr std::size_t kPiece = std::size_t{64} << 10;

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Seconds; a date is not understood and counts as nothing.
std::optional<milliseconds> RetryAfter(const http::Headers& headers) {
  const std::string_view text = http::FindHeader(headers, "Retry-After");
  std::int64_t seconds = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (bad != std::errc() || end != text.data() + text.size() || seconds < 0) return std::nullopt;
  return milliseconds(std::min<std::int64_t>(seconds, 1'000'000) * 1'000);
}

Failure FailureOf(const http::Url& url, const http::ResponseHead& head, bool with_token) {
  const int status = head.status;
  const auto says = [&](ErrorCode code, std::string_view what) {
    return Error{code, fmt::format("{} answers {} ({}){}", url.Authority(), status,
                                   http::ReasonOf(status), what)};
  };
  if (status == 401 || status == 403) {
    return {says(ErrorCode::kInvalidArgument,
                 with_token ? ": HF_TOKEN may not read this; it is private, does not exist, or its "
                              "terms have to be accepted on its page first"
                            : ": it is private, does not exist, or its terms have to be accepted "
                              "first; HF_TOKEN names a token that may read it")};
  }
  if (status == 404) return {says(ErrorCode::kNotFound, ": there is no such repository or file")};
  if (status == 416) {
    return {says(ErrorCode::kCorrupt, ": the file there is shorter than it was said to be")};
  }
  const bool passing = status == 408 || status == 425 || status == 429 || status >= 500;
  return {says(ErrorCode::kIo, passing ? "; try again later" : ""), passing,
          RetryAfter(head.headers)};
}

Failure Passing(Error error) {
  const bool passing = error.code == ErrorCode::kIo;
  return {std::move(error), passing, {}};
}

}  // namespace

Result<void> Patience::Bear(Failure failure) {
  ++failures_;
  if (!failure.passing || failures_ >= options_.attempts) {
    return std::unexpected(std::move(failure.error));
  }
  const int doubled = std::min(failures_ - 1, 20);
  const milliseconds pause = failure.wait.value_or(
      std::min(options_.pause * (std::int64_t{1} << doubled), options_.longest_pause));
  if (pause > options_.longest_pause) {
    return Fail(ErrorCode::kBusy, fmt::format("{}; it asks to wait for {} seconds",
                                              failure.error.message, pause.count() / 1'000));
  }
  if (options_.sleep) {
    options_.sleep(pause);
  } else {
    std::this_thread::sleep_for(pause);
  }
  return {};
}

std::expected<Fetcher::Opened, Failure> Fetcher::Open(const http::Url& first, std::uint64_t from,
                                                      std::uint64_t to) {
  http::Url url = first;
  Opened opened;
  for (int redirects = 0;; ++redirects) {
    http::Headers headers;
    const bool with_token = !options_.token.empty() && url.SameOrigin(first);
    if (with_token) headers.emplace_back("Authorization", "Bearer " + options_.token);
    if (from <= to) headers.emplace_back("Range", fmt::format("bytes={}-{}", from, to));
    auto head = client_.Get(url, headers);
    if (!head) return std::unexpected(Passing(std::move(head).error()));
    if (redirects == 0) opened.linked_headers = head->headers;
    if (head->status == 200 || head->status == 206) {
      opened.head = std::move(*head);
      return opened;
    }
    if (!IsRedirect(head->status)) return std::unexpected(FailureOf(url, *head, with_token));
    const std::string_view location = http::FindHeader(head->headers, "Location");
    auto next = http::Resolve(url, location);
    if (location.empty() || !next) {
      return std::unexpected(
          Failure{{ErrorCode::kIo, fmt::format("{} sends us to '{}', which is no address",
                                               url.Authority(), Printable(location, 100))}});
    }
    if (redirects == kMostRedirects) {
      return std::unexpected(Failure{
          {ErrorCode::kIo, fmt::format("{} sends us round in circles", first.Authority())}});
    }
    // What came over TLS goes on over TLS.
    if (url.tls && !next->tls) {
      return std::unexpected(
          Failure{{ErrorCode::kIo, fmt::format("{} sends us to {} without TLS", url.Authority(),
                                               next->Authority())}});
    }
    url = std::move(*next);
  }
}

std::expected<std::size_t, Failure> Fetcher::Read(std::span<std::byte> out) {
  auto read = client_.Read(out);
  if (!read) return std::unexpected(Passing(std::move(read).error()));
  return *read;
}

std::expected<std::string, Failure> Fetcher::TryText(const http::Url& url, std::size_t most) {
  auto opened = Open(url);
  if (!opened) return std::unexpected(std::move(opened).error());
  std::string text;
  std::string piece(kPiece, '\0');
  while (true) {
    const auto read = Read(std::as_writable_bytes(std::span(piece)));
    if (!read) return std::unexpected(read.error());
    if (*read == 0) return text;
    text.append(piece, 0, *read);
    if (text.size() <= most) continue;
    return std::unexpected(
        Failure{{ErrorCode::kLimit,
                 fmt::format("{} answers with more than {} bytes", url.Authority(), most)}});
  }
}

Result<std::string> Fetcher::FetchText(const http::Url& url, std::size_t most) {
  Patience patience(options_);
  while (true) {
    auto text = TryText(url, most);
    if (text) return *std::move(text);
    OR_RETURN(patience.Bear(std::move(text).error()));
  }
}

}  // namespace cairn::hub
