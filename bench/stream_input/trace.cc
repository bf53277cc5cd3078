// SPDX-License-Identifier: Apache-2.0
#include "trace.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace cairn::bench {
namespace {

using Tokens = std::vector<std::int32_t>;
using Random = std::mt19937_64;

constexpr std::int64_t kMedianCrawled = 360;   // 5,749 / 16
constexpr std::int64_t kMedianSearched = 630;  // 10,126 / 16
constexpr double kCrawledSpread = 0.97, kSearchedSpread = 0.67;
constexpr double kCrawlSeconds = 8.67, kSearchSeconds = 3.90;  // medians
constexpr double kCrawlSecondsSpread = 0.39, kSearchSecondsSpread = 0.48;
constexpr double kSecondsPerPage = 0.7;
constexpr int kTemplate = 24;  // tokens before the context
constexpr int kQuestion = 24;  // and after it
constexpr int kPassage = 64;   // tokens of a passage
constexpr int kProbes = 8;     // lists that a search gives out

Tokens Draw(Random& random, std::int64_t count, int vocabulary) {
  std::uniform_int_distribution<std::int32_t> token(1, vocabulary - 1);
  Tokens tokens(static_cast<std::size_t>(count));
  for (std::int32_t& t : tokens) t = token(random);
  return tokens;
}

void Add(Tokens& tokens, const Tokens& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
}

// Times of `count` pieces: the last at the end, the others evenly drawn before it.
std::vector<std::int64_t> Times(Random& random, int count, double start, double seconds) {
  std::uniform_real_distribution<double> part(0, 1);
  std::vector<double> at{1.0};
  while (static_cast<int>(at.size()) < count) at.push_back(part(random));
  std::ranges::sort(at);
  std::vector<std::int64_t> ns;
  for (const double p : at) ns.push_back(std::llround((start + p * seconds) * 1e9));
  return ns;
}

// Pages of uneven length until the context is whole.
void Crawl(Random& random, const TraceOptions& o, double start, double seconds,
           std::int64_t context, Retrieval& r) {
  const int pages =
      std::max(1, std::min<int>(static_cast<int>(std::lround(seconds / o.delay / kSecondsPerPage)),
                                static_cast<int>(context / 8)));
  const auto times = Times(random, pages, start, seconds);
  std::uniform_real_distribution<double> weight(0.2, 1.8);
  std::vector<double> weights;
  double sum = 0;
  for (int i = 0; i < pages; ++i) sum += weights.emplace_back(weight(random));
  r.pieces.push_back({std::llround(start * 1e9), Draw(random, kTemplate, o.vocabulary)});
  double done = 0;
  for (int i = 0; i < pages; ++i) {
    const auto from = static_cast<std::int64_t>(done * static_cast<double>(context));
    done += weights[static_cast<std::size_t>(i)] / sum;
    const auto to =
        i + 1 == pages ? context : static_cast<std::int64_t>(done * static_cast<double>(context));
    Tokens page = Draw(random, to - from, o.vocabulary);
    if (i + 1 == pages) Add(page, Draw(random, kQuestion, o.vocabulary));
    r.pieces.push_back({times[static_cast<std::size_t>(i)], std::move(page)});
  }
  for (const Piece& piece : r.pieces) Add(r.prompt, piece.tokens);
}

// Passages by rank; each is found at some probe, good ones rather early. After each probe the list
// of those found so far is the prompt.
void Search(Random& random, const TraceOptions& o, double start, double seconds,
            std::int64_t context, Retrieval& r) {
  const Tokens head = Draw(random, kTemplate, o.vocabulary);
  const Tokens question = Draw(random, kQuestion, o.vocabulary);
  const auto count = std::max<std::int64_t>(1, context / kPassage);
  std::vector<Tokens> passages;
  std::vector<int> found;  // at which probe
  for (std::int64_t rank = 0; rank < count; ++rank) {
    passages.push_back(Draw(random, kPassage, o.vocabulary));
    const double late = 0.5 + 2.0 * static_cast<double>(rank) / static_cast<double>(count);
    std::exponential_distribution<double> probe(1 / late);
    found.push_back(std::min(static_cast<int>(probe(random)), kProbes - 1));
  }
  const auto times = Times(random, kProbes, start, seconds);
  r.pieces.push_back({std::llround(start * 1e9), head});
  for (int probe = 0; probe < kProbes; ++probe) {
    Tokens list = head;
    for (std::size_t i = 0; i < passages.size(); ++i) {
      if (found[i] <= probe) Add(list, passages[i]);
    }
    if (probe + 1 == kProbes) Add(list, question);
    r.pieces.push_back({times[static_cast<std::size_t>(probe)], std::move(list)});
  }
  r.prompt = r.pieces.back().tokens;
}

}  // namespace

std::int64_t MedianPrompt(bool update) { return update ? kMedianSearched : kMedianCrawled; }

double MeanPrompt(const std::vector<Retrieval>& trace) {
  double sum = 0;
  for (const Retrieval& r : trace) sum += static_cast<double>(r.prompt.size());
  return sum / static_cast<double>(trace.size());
}

std::vector<Retrieval> MakeTrace(const TraceOptions& o) {
  Random random(o.seed);
  std::lognormal_distribution<double> tokens(std::log(static_cast<double>(MedianPrompt(o.update))),
                                             o.update ? kSearchedSpread : kCrawledSpread);
  std::lognormal_distribution<double> seconds(
      std::log(o.update ? kSearchSeconds : kCrawlSeconds),
      o.update ? kSearchSecondsSpread : kCrawlSecondsSpread);
  std::exponential_distribution<double> gap(1.0);
  std::vector<Retrieval> trace;
  double start = 0;
  for (int i = 0; i < o.requests; ++i) {
    start += gap(random) / o.per_second;
    const std::int64_t length = std::clamp<std::int64_t>(
        std::llround(tokens(random)), kTemplate + kQuestion + kPassage, o.longest);
    const double retrieval = seconds(random) * o.delay;
    Retrieval r;
    const std::int64_t context = length - kTemplate - kQuestion;
    (o.update ? Search : Crawl)(random, o, start, retrieval, context, r);
    trace.push_back(std::move(r));
  }
  return trace;
}

}  // namespace cairn::bench
