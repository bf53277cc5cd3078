// SPDX-License-Identifier: Apache-2.0
#include "hub/download.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/printable.h"
#include "hub/piece_file.h"

namespace cairn::hub {
namespace {

constexpr std::size_t kBuffer = std::size_t{256} << 10;
constexpr std::chrono::milliseconds kTick{100};

struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t total = 0;
};

// "bytes 0-99/1234"
std::optional<ContentRange> ReadContentRange(std::string_view text) {
  ContentRange range;
  const auto number = [&](std::string_view before, std::uint64_t& value) {
    if (!text.starts_with(before)) return false;
    text.remove_prefix(before.size());
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return bad == std::errc();
  };
  if (!number("bytes ", range.first) || !number("-", range.last) || !number("/", range.total) ||
      !text.empty()) {
    return std::nullopt;
  }
  return range;
}

class Downloader {
 public:
  Downloader(const http::Url& url, std::uint64_t bytes, const DownloadOptions& options,
             PieceFile& file)
      : url_(url), bytes_(bytes), options_(options), file_(file) {}

  Result<void> Run(const DownloadSink& sink);

 private:
  using Attempt = std::expected<void, Failure>;

  void Work();
  Result<void> FetchPiece(Fetcher& fetcher, std::size_t piece);
  // Fetches [at, end) and moves `at` along; ends early where the connection does.
  Attempt TryRange(Fetcher& fetcher, std::uint64_t& at, std::uint64_t end);
  Attempt CheckAnswer(const http::ResponseHead& head, std::uint64_t at, std::uint64_t end);
  Attempt ReadBody(Fetcher& fetcher, std::uint64_t& at, std::uint64_t end);
  // All of it from the beginning, from a server that knows no ranges.
  Result<void> Stream(const DownloadSink& sink);
  void Stop(Error error);
  Failure OtherSize(std::uint64_t there) const {
    return {{ErrorCode::kCorrupt, fmt::format("{} has a file of {} bytes where {} were expected",
                                              url_.Authority(), there, bytes_)}};
  }

  const http::Url& url_;
  const std::uint64_t bytes_;
  const DownloadOptions& options_;
  PieceFile& file_;
  std::vector<std::size_t> wanted_;     // pieces that are not there; constant while threads run
  std::atomic<std::size_t> next_{0};    // of wanted_
  std::atomic<std::uint64_t> done_{0};  // bytes
  std::atomic<bool> stopped_{false};    // nobody begins anything more
  std::atomic<bool> without_ranges_{false};

  DownloadSink streaming_;  // told by the one thread of Stream; empty before

  std::mutex mutex_;
  std::condition_variable ended_;
  int running_ = 0;             // threads; guarded by mutex_
  std::optional<Error> error_;  // the first; guarded by mutex_
};

Downloader::Attempt Downloader::CheckAnswer(const http::ResponseHead& head, std::uint64_t at,
                                            std::uint64_t end) {
  if (head.status == 200) {
    if (head.length && *head.length != bytes_) return std::unexpected(OtherSize(*head.length));
    if (at == 0 && end == bytes_) return {};
    without_ranges_ = true;
    return std::unexpected(Failure{{ErrorCode::kUnsupported, "the server knows no ranges"}});
  }
  const auto range = ReadContentRange(http::FindHeader(head.headers, "Content-Range"));
  if (range && range->total != bytes_) return std::unexpected(OtherSize(range->total));
  if (range && range->first == at && range->last >= at && range->last < end) return {};
  return std::unexpected(Failure{
      {ErrorCode::kIo,
       fmt::format("{} answers with another range than it was asked for", url_.Authority())},
      true});
}

Downloader::Attempt Downloader::ReadBody(Fetcher& fetcher, std::uint64_t& at, std::uint64_t end) {
  std::vector<std::byte> buffer(kBuffer);
  while (!stopped_) {
    // One byte past the end, so that a body that goes on is seen.
    const auto most = std::min<std::uint64_t>(kBuffer, end - at + 1);
    const auto read = fetcher.Read(std::span(buffer).first(most));
    if (!read) return std::unexpected(read.error());
    if (*read == 0 && at == end) return {};
    const auto wanted = std::min<std::uint64_t>(*read, end - at);
    if (auto written = file_.Write(at, std::span(buffer).first(wanted)); !written) {
      return std::unexpected(Failure{std::move(written).error()});
    }
    at += wanted;
    done_ += wanted;
    if (streaming_) streaming_(done_, bytes_);
    if (*read > 0 && *read == wanted) continue;
    return std::unexpected(
        Failure{{ErrorCode::kIo, fmt::format("{} sends {} than it was asked for", url_.Authority(),
                                             *read == 0 ? "less" : "more")},
                true});
  }
  return std::unexpected(Failure{{ErrorCode::kCancelled, "another piece failed"}});
}

Downloader::Attempt Downloader::TryRange(Fetcher& fetcher, std::uint64_t& at, std::uint64_t end) {
  const auto opened = fetcher.Open(url_, at, end - 1);
  if (!opened) return std::unexpected(opened.error());
  if (auto fits = CheckAnswer(opened->head, at, end); !fits) return fits;
  return ReadBody(fetcher, at, end);
}

Result<void> Downloader::FetchPiece(Fetcher& fetcher, std::size_t piece) {
  auto [at, end] = file_.RangeOf(piece);
  Patience patience(options_.fetch);
  while (at < end) {
    const std::uint64_t before = at;
    auto attempt = TryRange(fetcher, at, end);
    if (attempt) break;
    if (at > before) patience.Renew();
    if (at == end) break;  // all of it has come, and then something more
    OR_RETURN(patience.Bear(std::move(attempt).error()));
  }
  return file_.MarkWhole(piece);
}

void Downloader::Stop(Error error) {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  if (!error_) error_ = std::move(error);
}

void Downloader::Work() {
  Fetcher fetcher(options_.fetch);
  while (!stopped_) {
    const std::size_t next = next_++;
    if (next >= wanted_.size()) break;
    if (auto fetched = FetchPiece(fetcher, wanted_[next]); !fetched) Stop(fetched.error());
  }
  const std::lock_guard lock(mutex_);
  --running_;
  ended_.notify_one();
}

Result<void> Downloader::Stream(const DownloadSink& sink) {
  Fetcher fetcher(options_.fetch);
  Patience patience(options_.fetch);
  stopped_ = false;
  streaming_ = sink;
  while (true) {
    std::uint64_t at = 0;
    done_ = 0;
    auto opened = fetcher.Open(url_);
    Attempt attempt = opened ? CheckAnswer(opened->head, 0, bytes_)
                             : Attempt(std::unexpected(std::move(opened).error()));
    if (attempt) attempt = ReadBody(fetcher, at, bytes_);
    if (attempt) break;
    OR_RETURN(patience.Bear(std::move(attempt).error()));
  }
  for (std::size_t piece = 0; piece < file_.count(); ++piece) OR_RETURN(file_.MarkWhole(piece));
  return {};
}

Result<void> Downloader::Run(const DownloadSink& sink) {
  for (std::size_t piece = 0; piece < file_.count(); ++piece) {
    const auto [begin, end] = file_.RangeOf(piece);
    if (file_.whole(piece)) {
      done_ += end - begin;
    } else {
      wanted_.push_back(piece);
    }
  }
  std::vector<std::thread> threads;
  running_ =
      static_cast<int>(std::min(static_cast<std::size_t>(options_.connections), wanted_.size()));
  for (int i = running_; i > 0; --i) threads.emplace_back([this] { Work(); });
  {
    std::unique_lock lock(mutex_);
    while (running_ > 0) {
      ended_.wait_for(lock, kTick);
      if (sink) sink(done_, bytes_);
    }
  }
  for (std::thread& thread : threads) thread.join();
  if (without_ranges_) {
    OR_RETURN(Stream(sink));
  } else if (error_) {
    return std::unexpected(*error_);
  }
  if (sink) sink(bytes_, bytes_);
  return file_.Sync();
}

std::uint64_t PieceBytes(std::uint64_t bytes) {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  return std::clamp((bytes / 64 + kMiB - 1) / kMiB * kMiB, kMiB, 16 * kMiB);
}

}  // namespace

Result<std::string> Download(const http::Url& url, std::uint64_t bytes, const std::string& version,
                             const std::string& folder, const DownloadOptions& options,
                             const DownloadSink& sink) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 46;
  CAIRN_CHECK(options.connections >= 1 && options.connections <= 64);
  if (bytes == 0 || bytes > kMostBytes) {
    return Fail(ErrorCode::kLimit,
                fmt::format("a file of {} bytes was said to be there, 1 to {} are possible", bytes,
                            kMostBytes));
  }
  const std::uint64_t piece = options.piece_bytes > 0 ? options.piece_bytes : PieceBytes(bytes);
  const auto file = OR_RETURN(PieceFile::Open(folder, bytes, version, piece));
  OR_RETURN(Downloader(url, bytes, options, *file).Run(sink));
  return file->path();
}

}  // namespace cairn::hub
