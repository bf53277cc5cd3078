// SPDX-License-Identifier: Apache-2.0
#include "engine/rerank.h"

#include <fmt/format.h>

namespace cairn::engine {
namespace {

double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

}  // namespace

Result<std::vector<EmbedInput>> RankInputs(const Embedder& embedder, std::string_view query,
                                           std::span<const std::string_view> documents,
                                           bool truncate) {
  if (!embedder.model().program().pools()) {
    return Fail(ErrorCode::kUnsupported, "reranking needs a pooling other than none");
  }
  const bool pairs = embedder.scores();
  std::vector<EmbedInput> inputs;
  if (!pairs) {
    auto input = embedder.Encode(query, truncate);
    if (!input) return std::unexpected(std::move(input).error().Within("the query"));
    inputs.push_back(*std::move(input));
  }
  for (std::size_t i = 0; i < documents.size(); ++i) {
    auto input = pairs ? embedder.EncodePair(query, documents[i], truncate)
                       : embedder.Encode(documents[i], truncate);
    if (!input) {
      return std::unexpected(std::move(input).error().Within(fmt::format("document {}", i + 1)));
    }
    inputs.push_back(*std::move(input));
  }
  return inputs;
}

void Ranking::Take(const Embedder& embedder, int input, std::span<const float> values) {
  pairs_ = embedder.scores();
  const auto at = static_cast<std::size_t>(input);
  if (at >= rows_.size()) rows_.resize(at + 1);
  rows_[at].assign(values.begin(), values.end());
  if (!pairs_) embedder.Normalise(rows_[at]);
}

std::vector<double> Ranking::Scores() const {
  std::vector<double> scores;
  for (std::size_t i = pairs_ ? 0 : 1; i < rows_.size(); ++i) {
    scores.push_back(pairs_ ? double{rows_[i][0]} : Dot(rows_[0], rows_[i]));
  }
  return scores;
}

Result<std::vector<double>> Rerank(Embedder& embedder, std::string_view query,
                                   std::span<const std::string_view> documents, bool truncate,
                                   std::stop_token stop) {
  const auto inputs = OR_RETURN(RankInputs(embedder, query, documents, truncate));
  Ranking ranking;
  OR_RETURN(embedder.Run(
      inputs,
      [&](int input, int, std::span<const float> values) { ranking.Take(embedder, input, values); },
      std::move(stop)));
  return ranking.Scores();
}

}  // namespace cairn::engine
