// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace cairn::server {

void Histogram::Add(double value) {
  const auto bound = std::ranges::lower_bound(bounds_, value);
  ++counts_[static_cast<std::size_t>(bound - bounds_.begin())];
  sum_ += value;
}

void Histogram::Write(std::string_view name, std::string_view labels, std::string& out) const {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < bounds_.size(); ++i) {
    below += counts_[i];
    out += fmt::format("{}_bucket{{{}le=\"{}\"}} {}\n", name, labels, bounds_[i], below);
  }
  below += counts_.back();
  out += fmt::format("{}_bucket{{{}le=\"+Inf\"}} {}\n", name, labels, below);
  if (!labels.empty()) labels.remove_suffix(1);
  const std::string braces = labels.empty() ? "" : fmt::format("{{{}}}", labels);
  out += fmt::format("{0}_sum{1} {2}\n{0}_count{1} {3}\n", name, braces, sum_, below);
}

void ModelMetrics::Add(const engine::Answer& made, bool first) {
  const std::size_t tokens = made.tokens.size();
  ++answers[made.reason];
  answer_tokens += tokens;
  masks += static_cast<std::uint64_t>(made.masks);
  mask_seconds += made.mask_seconds;
  answer.Add(made.prompt_seconds + made.answer_seconds);
  if (tokens > 1) per_token.Add(made.answer_seconds / static_cast<double>(tokens - 1));
  if (!first) return;
  prompt_tokens += static_cast<std::uint64_t>(made.prompt_tokens);
  cached_tokens += static_cast<std::uint64_t>(made.reused_tokens);
  first_token.Add(made.prompt_seconds);
}

void WriteHead(std::string_view name, std::string_view help, std::string_view kind,
               std::string& out) {
  out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, kind);
}

void WriteMetric(std::string_view name, std::string_view help, std::string_view kind, double value,
                 std::string& out) {
  WriteHead(name, help, kind, out);
  out += fmt::format("{} {}\n", name, value);
}

std::string LabelOf(std::string_view value) {
  std::string label;
  for (const char c : value) {
    if (c == '"' || c == '\\') label += '\\';
    label += c == '\n' ? ' ' : c;
  }
  return label;
}

}  // namespace cairn::server
