// SPDX-License-Identifier: Apache-2.0
// Plays a trace to engine::Answers, as so many clients or as arrivals at a rate would.
//
// There is no network between: what a client of a server would see is read where the answer's text
// leaves the engine. Threads: one. Times are of the engine's clock, in nanoseconds.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/error.h"
#include "engine/answers.h"
#include "trace.h"

namespace cairn::bench {

struct PlayOptions {
  int clients = 32;  // each asks its next request when its last one is answered
  double rate = 0;   // above 0: requests per second arrive instead, whoever is still busy
  float temperature = 0.8f;
};

struct RequestTimes {
  std::int64_t asked = 0;  // when it arrived, which may be in the middle of a step
  std::int64_t ended = 0;
  std::vector<std::int64_t> pieces;  // of text: whole characters, most of them one token
  std::int64_t tokens = 0, prompt = 0, reused = 0;
};

struct Played {
  std::vector<RequestTimes> requests;
  std::int64_t begin = 0, end = 0;
  std::int64_t step_ns = 0, model_ns = 0;  // in Answers::Step, and of that in the model's
  engine::SchedulerCounters counters;      // those that count, since the beginning
};

// `after_step` may be empty. Errors: those of any request.
[[nodiscard]] Result<Played> Play(engine::Answers& answers, std::span<const TraceRequest> trace,
                                  const PlayOptions& options,
                                  const std::function<void()>& after_step = {});

// The value below which the share `p` of the values lies; 0 where there is none. Sorts them.
double Percentile(std::vector<double>& values, double p);

// Speeds, and what the requests waited for, in the words that client.py uses too.
boost::json::object Figures(const Played& played);

}  // namespace cairn::bench
