// SPDX-License-Identifier: Apache-2.0
// One large file, fetched in pieces by several connections, that goes on where it was stopped.
//
// In the folder given lie `body` (the pieces at their places) and `pieces` (a line for each that is
// whole, with its checksum). The caller alone gives the file its name, once its digest is right:
// what lies here never looks whole.
// Pieces of one file are asked for by ranges; from a server that knows none the file comes in one
// stream, from its beginning.
// Threads: the calling thread waits and reports; as many threads as connections fetch.
// Test: hub/download_test.cc, tests/e2e/test_hub.py with a server that does everything wrong.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/error.h"
#include "http/url.h"
#include "hub/fetcher.h"

namespace cairn::hub {

struct DownloadOptions {
  FetchOptions fetch;
  int connections = 4;  // 1 to 64
  // 0: a 64th of the file, at least 1 MiB and at most 16. What one connection has of a piece is
  // lost where the process ends.
  std::uint64_t piece_bytes = 0;
};

// Bytes that are there, of all.
using DownloadSink = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Fetches the `bytes` of the file at `url` into FOLDER/body and returns its path. `version` (its
// digest) tells this file from another one of the same name: pieces of another version are dropped.
// What was fetched stays on failure, for the next call. Errors: kNotFound, kInvalidArgument (no
// access), kCorrupt (the file there has another size), kIo, kBusy; kLimit (no size).
[[nodiscard]] Result<std::string> Download(const http::Url& url, std::uint64_t bytes,
                                           const std::string& version, const std::string& folder,
                                           const DownloadOptions& options,
                                           const DownloadSink& sink);

}  // namespace cairn::hub
