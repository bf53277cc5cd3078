// SPDX-License-Identifier: Apache-2.0
#include "apps/by_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>

namespace cairn::apps {
namespace {

constexpr std::size_t kNameWidth = 50;

double BytesOf(const program::Cost& cost) { return cost.weight_bytes + cost.kv_bytes; }

// Time of all workers together in which they had nothing to do for the stage.
double IdleNs(const engine::StageTimes& times, const engine::StageTime& stage) {
  return std::max(
      0.0, static_cast<double>(stage.ns) * times.workers() - static_cast<double>(stage.busy_ns));
}

std::string_view PartName(program::StagePart part) {
  switch (part) {
    case program::StagePart::kPrelude: return "prelude";
    case program::StagePart::kMatmul: return "matmul";
    case program::StagePart::kHeads: return "heads";
    case program::StagePart::kAttend: return "attend";
    case program::StagePart::kMerge: return "merge";
    case program::StagePart::kState: return "state";
    case program::StagePart::kAngles: return "angles";
    case program::StagePart::kLogits: return "logits";
  }
  return "";
}

// "  12.3  49 %", or blanks where there is nothing to count; `share` below 0: no peak to compare
// with.
std::string Rate(double rate, double share) {
  if (rate <= 0) return fmt::format("{:15}", "");
  if (share < 0) return fmt::format("{:8.2f}{:7}", rate, "");
  return fmt::format("{:8.2f} {:4.0f} %", rate, 100 * share);
}

}  // namespace

std::string ByStage::Table(std::size_t number, const Peaks& peaks) const {
  const engine::StageTimes& times = cases_[number];
  const auto steps = static_cast<double>(std::max<std::int64_t>(1, times.steps()));
  const auto all = static_cast<double>(std::max<std::int64_t>(1, times.step_ns()));
  std::string text = fmt::format("  {:{}} {:>9} {:>6} {:>6} {:>15} {:>15}\n", "stage", kNameWidth,
                                 "us/step", "time", "idle", "GB/s of peak", "TOPS of int8");
  double rest = all;
  for (const engine::StageTime& stage : times.stages()) {
    const auto ns = static_cast<double>(std::max<std::int64_t>(1, stage.ns));
    rest -= ns;
    const double bandwidth = BytesOf(stage.cost) / ns;
    const double tops = stage.cost.operations / ns / 1e3;
    const bool matmul = stage.part == program::StagePart::kMatmul;
    text +=
        fmt::format("  {:{}} {:9.1f} {:4.1f} % {:4.0f} % {} {}\n", stage.name.substr(0, kNameWidth),
                    kNameWidth, ns / steps / 1e3, 100 * ns / all,
                    100 * IdleNs(times, stage) / (ns * std::max(1, times.workers())),
                    Rate(bandwidth, bandwidth / peaks.bandwidth_gb_s),
                    Rate(tops, matmul ? tops / peaks.int8_tops : -1));
  }
  text += fmt::format("  {:{}} {:9.1f} {:4.1f} %\n", "between phases", kNameWidth,
                      rest / steps / 1e3, 100 * rest / all);
  return text;
}

boost::json::array ByStage::ToValue(std::size_t number) const {
  const engine::StageTimes& times = cases_[number];
  const double steps = static_cast<double>(std::max<std::int64_t>(1, times.steps()));
  boost::json::array stages;
  for (const engine::StageTime& stage : times.stages()) {
    stages.push_back(boost::json::object{
        {"stage", stage.name},
        {"part", PartName(stage.part)},
        {"calls_per_step", static_cast<double>(stage.calls) / steps},
        {"us_per_step", static_cast<double>(stage.ns) / steps / 1e3},
        {"share", static_cast<double>(stage.ns) / static_cast<double>(times.step_ns())},
        {"idle_us_per_step", IdleNs(times, stage) / steps / 1e3},
        {"operations_per_step", stage.cost.operations / steps},
        {"weight_bytes_per_step", stage.cost.weight_bytes / steps},
        {"kv_bytes_per_step", stage.cost.kv_bytes / steps},
        {"activation_bytes_per_step", stage.cost.activation_bytes / steps}});
  }
  return stages;
}

}  // namespace cairn::apps
