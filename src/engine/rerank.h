// SPDX-License-Identifier: Apache-2.0
// How well documents fit a query.
//
// A cross-encoder reads query and document together and its score is a logit of any size; with a
// model of embeddings the score is the cosine of the two.
// Threads: as Embedder; a Ranking is used by one thread at a time.
#pragma once

#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/embedder.h"

namespace cairn::engine {

// What the embedder has to run for the scores: the query and the documents, or a pair of both for
// each document. Texts that are too long are cut where `truncate`. Errors: as Embedder::Encode, of
// documents with their number; kUnsupported for embeddings without pooling.
[[nodiscard]] Result<std::vector<EmbedInput>> RankInputs(
    const Embedder& embedder, std::string_view query, std::span<const std::string_view> documents,
    bool truncate);

// Collects the rows of RankInputs and makes scores of them.
class Ranking {
 public:
  void Take(const Embedder& embedder, int input, std::span<const float> values);
  // By document, once every input has come.
  std::vector<double> Scores() const;

 private:
  bool pairs_ = false;
  std::vector<std::vector<float>> rows_;  // by input
};

// All of it. Errors: as RankInputs and Embedder::Run.
[[nodiscard]] Result<std::vector<double>> Rerank(Embedder& embedder, std::string_view query,
                                                 std::span<const std::string_view> documents,
                                                 bool truncate, std::stop_token stop = {});

}  // namespace cairn::engine
