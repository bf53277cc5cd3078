// SPDX-License-Identifier: Apache-2.0
// What a model file holds, for lists and reports; read from its index, no weight is touched.
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf.h"
#include "tensor/format.h"

namespace cairn::model {

// Tensors of one part of the model that have the same format.
struct TensorGroup {
  std::string_view part;  // "embedding", "attention", "feed-forward", "norms", "output", "other"
  tensor::Format format{};
  int tensors = 0;
  std::uint64_t parameters = 0;
  std::uint64_t bytes = 0;
};

struct Summary {
  std::string architecture;  // empty where the file does not say
  std::string name;          // what the file calls itself; may be empty
  std::string format;  // the one that most bytes of the layers have; "no tensors" for a vocabulary
  std::uint64_t parameters = 0;
  std::int64_t context = 0;  // tokens; 0 where the file does not say
  bool has_template = false;
  std::vector<TensorGroup> groups;  // by part, then by bytes, largest first
};

Summary Summarise(const Gguf& gguf);

}  // namespace cairn::model
