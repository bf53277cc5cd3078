// SPDX-License-Identifier: Apache-2.0
// What the server counts, and how Prometheus reads it. Nothing of a prompt, an answer or a key is
// in it.
// Threads: plain values; Metrics is the event loop's. Cost: a few additions a request.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "engine/answer.h"

namespace cairn::server {

// Counts of values up to each bound. The bounds outlive it; kMostBounds of them count.
class Histogram {
 public:
  static constexpr std::size_t kMostBounds = 14;
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds.first(kMostBounds)) {}
  void Add(double value);
  // Its lines under `name`. `labels`: "model=\"x\"," or empty.
  void Write(std::string_view name, std::string_view labels, std::string& out) const;

 private:
  std::span<const double> bounds_;
  std::array<std::uint64_t, kMostBounds + 1> counts_{};
  double sum_ = 0;
};

inline constexpr double kSeconds[Histogram::kMostBounds] = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60};
inline constexpr double kRows[Histogram::kMostBounds] = {1,  2,  3,  4,   6,   8,   12,
                                                         16, 32, 64, 128, 256, 512, 1024};

// Of the answers of one model.
struct ModelMetrics {
  std::map<engine::FinishReason, std::uint64_t> answers;  // by how they ended
  std::uint64_t prompt_tokens = 0, cached_tokens = 0, answer_tokens = 0;
  std::uint64_t masks = 0;  // of answers under a grammar
  double mask_seconds = 0;
  Histogram first_token{kSeconds};
  Histogram per_token{kSeconds};  // a mean of each answer
  Histogram answer{kSeconds};     // from the request to its last token

  // A request's first answer brings its prompt.
  void Add(const engine::Answer& answer, bool first);
};

struct Metrics {
  std::map<int, std::uint64_t> responses;  // by status; 0: the client went before
  std::uint64_t cancelled = 0;             // clients that went before their answer
  std::uint64_t embedded_tokens = 0;
  Histogram request{kSeconds};  // from headers to the end of the response
  std::map<std::string, ModelMetrics, std::less<>> models;
};

// The lines before a metric's samples. `kind`: "counter", "gauge" or "histogram".
void WriteHead(std::string_view name, std::string_view help, std::string_view kind,
               std::string& out);
// One metric without labels.
void WriteMetric(std::string_view name, std::string_view help, std::string_view kind, double value,
                 std::string& out);
// A label's value, as it stands between quotes.
std::string LabelOf(std::string_view value);

}  // namespace cairn::server
