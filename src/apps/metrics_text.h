// SPDX-License-Identifier: Apache-2.0
// A reading of a server's metrics, as `GET /metrics` tells them to Prometheus.
// Threads: plain values. Cost: linear in the text.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::apps {

class MetricsText {
 public:
  // Lines that are no samples are passed over.
  explicit MetricsText(std::string_view text);

  // Summed over all labels; 0 where there is none.
  double Value(std::string_view name) const;
  // What it gained since `before`; a server that began anew has gained all of it.
  double Gained(const MetricsText& before, std::string_view name) const;
  // Of what a histogram gained since `before`, interpolated between its bounds; absent: nothing
  // did. Values past the last bound count as that bound.
  std::optional<double> Quantile(const MetricsText& before, std::string_view name, double q) const;
  // The values of a label of a metric.
  std::map<std::string, double> ByLabel(std::string_view name, std::string_view label) const;

 private:
  struct Sample {
    std::map<std::string, std::string> labels;
    double value = 0;
  };
  std::multimap<std::string, Sample, std::less<>> samples_;
};

}  // namespace cairn::apps
