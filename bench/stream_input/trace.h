// SPDX-License-Identifier: Apache-2.0
// Requests whose prompts are retrieved while they wait, made from a seed.
//
// Lengths and retrieval times follow the lognormal fits of systems/31: tokens by a sixteenth, times
// by TraceOptions::delay. A crawler appends a page at a time; a nearest-neighbour search revises
// its list of passages after each probe: what is found later and ranks higher is put in between,
// and moves all that is behind. A template comes before what was retrieved, the question after it,
// with the last piece. Arrivals are Poisson. Tokens are drawn evenly: what they say costs nothing
// here. Threads: a pure function.
#pragma once

#include <cstdint>
#include <vector>

namespace cairn::bench {

struct TraceOptions {
  bool update = false;  // a search that revises, else a crawler that appends
  int requests = 60;
  double per_second = 1;        // arrivals
  double delay = 0.125;         // retrieval times, of the published ones
  std::int64_t longest = 1024;  // tokens of a prompt; longer ones are cut
  int vocabulary = 0;
  std::uint64_t seed = 31;
};

struct Piece {
  std::int64_t ns = 0;               // when it comes, from the trace's beginning
  std::vector<std::int32_t> tokens;  // to append; the whole prompt where the trace revises
};

struct Retrieval {
  std::vector<Piece> pieces;         // in their order; the last one completes the prompt
  std::vector<std::int32_t> prompt;  // then
};

std::vector<Retrieval> MakeTrace(const TraceOptions& options);

// Of the published fit, in tokens.
std::int64_t MedianPrompt(bool update);
double MeanPrompt(const std::vector<Retrieval>& trace);

}  // namespace cairn::bench
