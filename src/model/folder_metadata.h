// SPDX-License-Identifier: Apache-2.0
// The settings of config.json as the metadata of a GGUF file, and the factors of rotary embeddings
// as the tensors that files have for them.
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "model/checkpoint.h"
#include "model/folder_kinds.h"
#include "model/gguf_output.h"

namespace cairn::model {

// A vector that the folder has not as a tensor.
struct ComputedVector {
  std::string name;  // in the file
  std::vector<float> values;
};

// Errors: kCorrupt, kUnsupported (weights that are quantised already, an activation, a scaling of
// positions), naming the setting; those of the kind's own checks.
[[nodiscard]] Result<std::vector<ComputedVector>> WriteSettings(const Checkpoint& from,
                                                                const FolderKind& kind,
                                                                GgufOutput& out);

}  // namespace cairn::model
