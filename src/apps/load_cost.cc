// SPDX-License-Identifier: Apache-2.0
#include "apps/load_cost.h"

#include <fmt/format.h>

#include <filesystem>

#include "apps/text.h"
#include "engine/machine.h"

namespace cairn::apps {

Result<LoadCost> LoadCostOf(const engine::Engine& engine,
                            std::chrono::steady_clock::time_point started) {
  LoadCost cost;
  cost.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  const engine::ProcessMemory memory = engine::MemoryOfProcess();
  cost.resident_bytes = memory.resident_bytes;
  cost.peak_bytes = memory.peak_bytes;
  cost.step_buffer_bytes = engine.step_buffer_bytes();
  std::error_code error;
  cost.file_bytes = std::filesystem::file_size(engine.model().path(), error);
  if (error) {
    return Fail(ErrorCode::kIo, fmt::format("the size of '{}' cannot be read: {}",
                                            engine.model().path(), error.message()));
  }
  return cost;
}

std::string Line(const LoadCost& cost) {
  return fmt::format(
      "load {:.2f} s | resident {} for a file of {} and {} of step buffers | peak {}", cost.seconds,
      HumanBytes(cost.resident_bytes), HumanBytes(cost.file_bytes),
      HumanBytes(cost.step_buffer_bytes), HumanBytes(cost.peak_bytes));
}

boost::json::object ToObject(const LoadCost& cost) {
  return {{"seconds", cost.seconds},
          {"file_bytes", cost.file_bytes},
          {"step_buffer_bytes", cost.step_buffer_bytes},
          {"resident_bytes", cost.resident_bytes},
          {"peak_bytes", cost.peak_bytes}};
}

}  // namespace cairn::apps
