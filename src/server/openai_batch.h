// SPDX-License-Identifier: Apache-2.0
// The lines of OpenAI's batch files: requests that come in, results that go out, and results that
// are read again to see what is done (docs/batch.md).
// Threads: pure functions and plain values.
// Test: openai_batch_test.cc, tests/fuzz/openai_fuzz.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "server/openai_request.h"
#include "server/openai_response.h"

namespace cairn::server {

// A request and what stands around it; longer lines are no lines of a batch.
inline constexpr std::size_t kMostBatchLineBytes = kMostBodyBytes + (std::size_t{64} << 10);
inline constexpr std::size_t kMostCustomIdBytes = 512;

struct BatchLine {
  std::string custom_id;          // 1 to kMostCustomIdBytes bytes
  Result<OpenAiRequest> request;  // an Error is this line's answer
};

// Errors: what cannot be told by a custom_id: no JSON object, no custom_id, too long.
[[nodiscard]] Result<BatchLine> ParseBatchLine(std::string_view line);

// Why a line has no response.
enum class BatchFailure { kInvalidLine, kDuplicateId };

// Lines of results, with their line break. `line` is that of the request, from 1: ids are made of
// it, so that a batch that goes on after a break makes the same ones.
std::string BatchResult(std::int64_t line, std::string_view custom_id, const Response& response);
std::string BatchFailureResult(std::int64_t line, std::optional<std::string_view> custom_id,
                               BatchFailure failure, std::string_view message);
// The id of a response's body.
std::string BatchResponseId(Endpoint endpoint, std::int64_t line);

// What every line of results begins with.
inline constexpr std::string_view kBatchResultStart = R"({"id":"batch_req_)";

// What a line of results says about its request.
struct BatchRecord {
  std::string custom_id;  // empty: the request had none that could be told
  std::int64_t line = 0;  // of the request
  bool answered = false;  // has a response; else the line failed and is told by its number
};
// Errors: kCorrupt for what BatchResult and BatchFailureResult do not write.
[[nodiscard]] Result<BatchRecord> ParseBatchResult(std::string_view text);

// Which lines of a batch still need a result. One thread at a time.
class BatchLedger {
 public:
  BatchLedger() = default;
  // As the results so far tell: the custom_ids that have a response, and the lines that have none.
  BatchLedger(std::unordered_set<std::string> answered, std::unordered_set<std::int64_t> failed)
      : answered_(std::move(answered)), failed_(std::move(failed)) {}

  struct Turn {
    std::optional<BatchLine> line = {};  // it needs an answer
    std::string refusal = {};            // its result: it is none that can be answered
  };
  // The next line of the batch, by its number; `line` as ParseBatchLine read it. Neither member of
  // the Turn: it has its result.
  Turn Take(std::int64_t number, Result<BatchLine> line);

 private:
  std::unordered_set<std::string> answered_;
  std::unordered_set<std::int64_t> failed_;
  std::unordered_set<std::string> seen_;  // custom_ids of the lines so far
};

}  // namespace cairn::server
