// SPDX-License-Identifier: Apache-2.0
// Bodies of /v1/embeddings (OpenAI's) and /rerank (as Jina's, Cohere's and llama-server's), read
// with every type and range checked. Threads: pure functions and plain values. Test:
// embedding_request_test.cc.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"

namespace cairn::server {

inline constexpr std::size_t kMostEmbedInputs = 2048;  // of one request, as OpenAI has it

struct EmbeddingRequest {
  std::string model;
  std::vector<std::variant<std::string, std::vector<std::int32_t>>> inputs;
  bool base64 = false;          // little-endian f32, in place of numbers
  std::int64_t dimensions = 0;  // 0: all
  bool truncate = false;
};

struct RerankRequest {
  std::string model;
  std::string query;
  std::vector<std::string> documents;
  std::int64_t top = 0;  // 0: all
  bool with_documents = false;
  bool truncate = false;
};

// Errors: kInvalidArgument, naming the member.
[[nodiscard]] Result<EmbeddingRequest> ReadEmbeddingRequest(const boost::json::value& body);
[[nodiscard]] Result<RerankRequest> ReadRerankRequest(const boost::json::value& body);

}  // namespace cairn::server
