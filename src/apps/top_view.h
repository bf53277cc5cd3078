// SPDX-License-Identifier: Apache-2.0
// What `cairn top` shows: a server's last seconds, from two readings of its metrics.
// Threads: plain values and pure functions.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apps/metrics_text.h"

namespace cairn::apps {

// What a server did between two readings; rates are by second.
struct TopReading {
  double running = 0, waiting = 0;
  double requests = 0, refused = 0, gone = 0;  // ended; of them 4xx and 5xx; without their client
  double answer_tokens = 0, prompt_tokens = 0, cached_tokens = 0;
  double steps = 0, rows_of_step = 0, busy_share = 0;
  double proposed = 0, accepted = 0;
  std::optional<double> first_p50, first_p99, between_p50, between_p99;  // seconds
  std::optional<double> mask_seconds;                                    // of one
  double kv_used = 0, kv_shared = 0, kv_budget = 0;                      // bytes
  double cached_tiles = 0;
  double memory = 0;                     // bytes of the process
  double cores = 0;                      // that it kept busy
  std::map<std::string, double> models;  // loaded ones, with their answers under way
};

// `seconds`: between the readings, above 0. Quantiles are of what came since `older`.
TopReading ReadTop(const MetricsText& now, const MetricsText& before, double seconds,
                   const MetricsText& older);

// Lines for a terminal of `columns`. `history`: answer tokens per second, the newest last.
std::string TopScreen(const TopReading& reading, const std::vector<double>& history,
                      const std::string& server, int columns);

// The same for programs; what is absent is null.
boost::json::object TopJson(const TopReading& reading);

}  // namespace cairn::apps
