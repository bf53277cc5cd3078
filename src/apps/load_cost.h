// SPDX-License-Identifier: Apache-2.0
// What opening a model cost: seconds and memory, for `cairn bench`.
// Threads: the main thread.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstddef>
#include <string>

#include "base/error.h"
#include "engine/engine.h"

namespace cairn::apps {

struct LoadCost {
  double seconds = 0;                 // from the path to an engine that can step
  std::size_t file_bytes = 0;         // the model file
  std::size_t step_buffer_bytes = 0;  // planned for a step
  std::size_t resident_bytes = 0;     // of the process just after; no KV is held yet
  std::size_t peak_bytes = 0;         // of the process until then
};

// To be called as soon as the engine is there; `started` is when its opening began. Errors: kIo
// where the file cannot be looked at.
[[nodiscard]] Result<LoadCost> LoadCostOf(const engine::Engine& engine,
                                          std::chrono::steady_clock::time_point started);

// "load 0.21 s | resident 128 MB of a 98 MB file and 20 MB of step buffers | peak 140 MB"
std::string Line(const LoadCost& cost);
boost::json::object ToObject(const LoadCost& cost);

}  // namespace cairn::apps
