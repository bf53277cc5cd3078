// SPDX-License-Identifier: Apache-2.0
#include "model/architectures.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "base/printable.h"

namespace cairn::model {
namespace {

constexpr Architecture kArchitectures[] = {
    {"llama", BuildLlama},
    {"gemma3", BuildGemma3},
};

}  // namespace

std::span<const Architecture> Architectures() { return kArchitectures; }

Result<program::Program> BuildProgram(const Gguf& gguf) {
  const std::string_view name = OR_RETURN(gguf.GetString("general.architecture"));
  std::vector<std::string_view> known;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) {
      return program::MoveSampledRowsUp(OR_RETURN(architecture.build(gguf)));
    }
    known.push_back(architecture.name);
  }
  return Fail(ErrorCode::kUnsupported,
              fmt::format("architecture '{}' is not supported; supported are {}", Printable(name),
                          fmt::join(known, ", ")));
}

}  // namespace cairn::model
