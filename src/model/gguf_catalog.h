// SPDX-License-Identifier: Apache-2.0
// The tensors of a file as the weights that a program::Builder names.
// Threads: const, as Gguf.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/gguf.h"
#include "program/builder.h"

namespace cairn::model {

// The name under which the experts of a tensor "blk.N.ffn_X_exps.weight" are looked up where a file
// has each as a tensor of its own ("blk.N.ffn_X.E.weight", as the first files of Mixtral):
// "blk.N.ffn_X.{}.weight". Empty for other names.
std::string NameOfExpertsApart(std::string_view name);

// Looks weights up in a file; experts also where each is a tensor of its own. Tensors larger than
// 2^31 - 1 in a dimension are not found.
class GgufCatalog : public program::WeightCatalog {
 public:
  explicit GgufCatalog(const Gguf& gguf) : gguf_(gguf) {}
  std::optional<program::Weight> Find(std::string_view name) const override;

 private:
  std::optional<program::Weight> FindApart(std::string_view name) const;

  const Gguf& gguf_;
};

}  // namespace cairn::model
