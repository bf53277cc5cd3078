// SPDX-License-Identifier: Apache-2.0
// What the server counts, and its text for Prometheus. Nothing of a prompt, an answer or a key is
// in it.
// Threads: the event loop's. Cost: a few additions a request.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace cairn::server {

// Counts of values up to each bound, in seconds.
class Histogram {
 public:
  static constexpr std::array<double, 14> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                     0.25,  0.5,    1,     2.5,  5,     10,   60};
  void Add(double value);
  void Write(std::string_view name, std::string_view help, std::string& out) const;

 private:
  std::array<std::uint64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0;
};

struct Metrics {
  std::map<int, std::uint64_t> responses;  // by status; 0: the client went before
  std::uint64_t prompt_tokens = 0, cached_tokens = 0, answer_tokens = 0;
  std::uint64_t cancelled = 0;  // clients that went before their answer
  Histogram first_token, per_token, request;
};

// One metric without labels. `kind`: "counter" or "gauge".
void WriteMetric(std::string_view name, std::string_view help, std::string_view kind, double value,
                 std::string& out);

}  // namespace cairn::server
