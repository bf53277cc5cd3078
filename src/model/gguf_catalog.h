// SPDX-License-Identifier: Apache-2.0
// The tensors of a file as the weights that a program::Builder names.
// Threads: const, as Gguf.
#pragma once

#include <optional>
#include <string_view>

#include "model/gguf.h"
#include "program/builder.h"

namespace cairn::model {

// Looks weights up in a file. Tensors larger than 2^31 - 1 in a dimension are not found.
class GgufCatalog : public program::WeightCatalog {
 public:
  explicit GgufCatalog(const Gguf& gguf) : gguf_(gguf) {}
  std::optional<program::Weight> Find(std::string_view name) const override;

 private:
  const Gguf& gguf_;
};

}  // namespace cairn::model
