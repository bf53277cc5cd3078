// SPDX-License-Identifier: Apache-2.0
// Architectures as program builders: one file and one line in the table each.
// Threads: pure functions.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"
#include "model/gguf.h"
#include "program/program.h"

namespace cairn::model {

struct Architecture {
  std::string_view name;  // 'general.architecture'
  // Reads and checks the hyper-parameters and writes the program. Errors: kCorrupt for metadata or
  // tensors that contradict each other, kUnsupported for features that the builder lacks.
  Result<program::Program> (*build)(const Gguf& gguf);
};

std::span<const Architecture> Architectures();

// The program of a file, sampled rows already moved up. Errors: as above; kUnsupported for an
// unknown architecture, with the list of known ones.
[[nodiscard]] Result<program::Program> BuildProgram(const Gguf& gguf);

[[nodiscard]] Result<program::Program> BuildLlama(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGemma3(const Gguf& gguf);

}  // namespace cairn::model
