// SPDX-License-Identifier: Apache-2.0
#include "engine/proposer.h"

#include <algorithm>
#include <cstddef>

namespace cairn::engine {
namespace {

constexpr std::size_t kLeastMatch = 3;    // shorter endings stand everywhere
constexpr std::size_t kEnoughMatch = 16;  // a longer one is no better
constexpr std::size_t kMostScanned = 16384;
constexpr double kMargin = 1.15;  // what a guess must win beside its own costs

}  // namespace

std::span<const std::int32_t> ProposeFromText(std::span<const std::int32_t> tokens, int most) {
  const std::size_t size = tokens.size();
  if (size <= kLeastMatch || most <= 0) return {};
  std::size_t best = kLeastMatch - 1;
  std::size_t place = 0;
  const std::size_t first = size > kMostScanned ? size - kMostScanned : 0;
  // `end` is where an earlier place ends: the tokens before it are compared with the end of all.
  for (std::size_t end = size - 1; end > first + kLeastMatch - 1; --end) {
    if (tokens[end - 1] != tokens[size - 1]) continue;
    std::size_t match = 1;
    while (match < kEnoughMatch && match < end &&
           tokens[end - 1 - match] == tokens[size - 1 - match]) {
      ++match;
    }
    if (match <= best) continue;
    best = match;
    place = end;
    if (match == kEnoughMatch) break;
  }
  if (place == 0) return {};
  return tokens.subspan(place, std::min<std::size_t>(size - place, static_cast<std::size_t>(most)));
}

int AcceptRate::Worth(double token_ns, int most, const std::function<double(int)>& cost_ns) const {
  int best = 0;
  double best_gain = 0;
  double right = 1;
  double won = 0;
  for (int count = 1; count <= most; ++count) {
    right *= rate_;
    won += right * token_ns;
    const double gain = won - kMargin * cost_ns(count);
    if (gain <= best_gain) continue;
    best_gain = gain;
    best = count;
  }
  return best;
}

}  // namespace cairn::engine
