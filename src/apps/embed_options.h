// SPDX-License-Identifier: Apache-2.0
// What embed and rerank share: their options, their model, their lines.
// Threads: the main thread.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/console.h"
#include "base/error.h"
#include "engine/embedder.h"
#include "program/program.h"

namespace cairn::apps {

struct EmbedderChoice {
  std::optional<program::Pooling> pooling;  // absent: the model's
  std::int64_t most_tokens = 0;             // of a text; 0: what the model has
  bool truncate = false;                    // texts that are longer
  int threads = 0;
  bool pinned = false;
};

// --pooling, --context, --truncate, -t, --pin.
void AddEmbedderChoice(CLI::App& command, EmbedderChoice& choice);

// MODEL as an embedder, pulled where it must be.
[[nodiscard]] Result<std::unique_ptr<engine::Embedder>> OpenEmbedder(const std::string& name,
                                                                     const EmbedderChoice& choice,
                                                                     Console& console);

// Of a path that FindModel gave. From any thread.
[[nodiscard]] Result<std::unique_ptr<engine::Embedder>> OpenEmbedderOf(
    const std::string& path, const EmbedderChoice& choice);

// Lines without their ends ("\n" or "\r\n"); what follows the last end is one unless it is empty.
std::vector<std::string_view> LinesOf(std::string_view text);

}  // namespace cairn::apps
