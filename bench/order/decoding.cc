// SPDX-License-Identifier: Apache-2.0
#include "decoding.h"

#include <vector>

namespace cairn::bench {

Result<double> DecodeSpeed(engine::Engine& engine, int sequences, int steps) {
  constexpr int kDepth = 128;
  const auto ignore = [](int, int, std::span<const float>) {};
  std::vector<engine::Sequence> all;
  std::vector<std::int32_t> prompt(kDepth);
  for (int s = 0; s < sequences; ++s) {
    for (int i = 0; i < kDepth; ++i) {
      prompt[static_cast<std::size_t>(i)] = (i * 37 + s) % engine.vocabulary();
    }
    all.push_back(engine.NewSequence());
    OR_RETURN(engine.Prefill(all.back(), prompt, 1, ignore));
  }
  const std::int32_t token = 100;
  const std::int64_t start = engine.clock().NowNs();
  std::vector<engine::StepEntry> entries;
  for (int i = 0; i < steps; ++i) {
    entries.clear();
    for (engine::Sequence& sequence : all) {
      entries.push_back(
          {.sequence = &sequence, .tokens = {&token, 1}, .sampled = 1, .failure = {}});
    }
    OR_RETURN(engine.Step(entries, ignore));
  }
  const double seconds = static_cast<double>(engine.clock().NowNs() - start) * 1e-9;
  return static_cast<double>(sequences) * steps / seconds;
}

}  // namespace cairn::bench
