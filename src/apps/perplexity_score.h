// SPDX-License-Identifier: Apache-2.0
// How well a model foresees a text, by the protocol of llama.cpp's tool: windows of N tokens
// without overlap, what does not fill a window at the end is left out; where the model wants a BOS
// it takes the place of the first token of every window; of each window the tokens after its middle
// are scored: N - N/2 - 1 of them.
// Threads: the engine's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/error.h"
#include "engine/engine.h"

namespace cairn::apps {

struct PerplexityScore {
  double perplexity = 0;
  double error = 0;  // its standard error, as llama.cpp gives it
  std::size_t tokens = 0;
  std::size_t windows = 0;
  std::int64_t scored = 0;
};

// `name` is what an error calls the text; `told` hears of every window (done, of how many, so far).
// Errors: kInvalidArgument (fewer than two windows), those of Engine::Prefill.
[[nodiscard]] Result<PerplexityScore> ScoreText(
    engine::Engine& engine, const std::string& text, const std::string& name, std::size_t window,
    const std::function<void(std::size_t done, std::size_t windows, double perplexity)>& told);

}  // namespace cairn::apps
