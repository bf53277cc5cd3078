// SPDX-License-Identifier: Apache-2.0
#include "apps/metrics_text.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>

namespace cairn::apps {
namespace {

// name="value",...; a backslash takes the next character as it is.
std::map<std::string, std::string> LabelsOf(std::string_view text) {
  std::map<std::string, std::string> labels;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t quote = text.find("=\"", at);
    if (quote == std::string_view::npos) break;
    std::string value;
    std::size_t end = quote + 2;
    for (; end < text.size() && text[end] != '"'; ++end) {
      if (text[end] == '\\' && end + 1 < text.size()) ++end;
      value += text[end];
    }
    labels.emplace(text.substr(at, quote - at), std::move(value));
    at = end + 2;  // the quote and a comma
  }
  return labels;
}

}  // namespace

MetricsText::MetricsText(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t space = line.rfind(' ');
    if (line.empty() || line[0] == '#' || space == std::string_view::npos) continue;
    const std::string_view metric = line.substr(0, space);
    const std::string number(line.substr(space + 1));
    const std::size_t brace = metric.find('{');
    Sample sample{.labels = {}, .value = std::strtod(number.c_str(), nullptr)};
    if (brace != std::string_view::npos && metric.ends_with('}')) {
      sample.labels = LabelsOf(metric.substr(brace + 1, metric.size() - brace - 2));
    }
    samples_.emplace(metric.substr(0, brace), std::move(sample));
  }
}

double MetricsText::Value(std::string_view name) const {
  double sum = 0;
  const auto [first, last] = samples_.equal_range(name);
  for (auto it = first; it != last; ++it) sum += it->second.value;
  return sum;
}

double MetricsText::Gained(const MetricsText& before, std::string_view name) const {
  const double now = Value(name), then = before.Value(name);
  return now >= then ? now - then : now;
}

std::map<std::string, double> MetricsText::ByLabel(std::string_view name,
                                                   std::string_view label) const {
  std::map<std::string, double> values;
  const auto [first, last] = samples_.equal_range(name);
  for (auto it = first; it != last; ++it) {
    const auto found = it->second.labels.find(std::string(label));
    if (found != it->second.labels.end()) values[found->second] += it->second.value;
  }
  return values;
}

std::optional<double> MetricsText::Quantile(const MetricsText& before, std::string_view name,
                                            double q) const {
  const std::string buckets = std::string(name) + "_bucket";
  std::map<double, double> gained;  // by bound
  const auto then = before.ByLabel(buckets, "le");
  for (const auto& [bound, count] : ByLabel(buckets, "le")) {
    const double limit = bound == "+Inf" ? std::numeric_limits<double>::infinity()
                                         : std::strtod(bound.c_str(), nullptr);
    const auto old = then.find(bound);
    gained[limit] = count - (old == then.end() || old->second > count ? 0 : old->second);
  }
  if (gained.empty() || gained.rbegin()->second <= 0) return std::nullopt;
  const double wanted = q * gained.rbegin()->second;
  double low = 0, under = 0;
  for (const auto& [bound, count] : gained) {
    if (count >= wanted) {
      if (bound == std::numeric_limits<double>::infinity()) return low;
      return low + (bound - low) * (wanted - under) / std::max(count - under, 1.0);
    }
    low = bound;
    under = count;
  }
  return low;
}

}  // namespace cairn::apps
