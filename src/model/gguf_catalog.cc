// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_catalog.h"

#include <limits>
#include <string>

namespace cairn::model {

std::optional<program::Weight> GgufCatalog::Find(std::string_view name) const {
  const GgufTensor* tensor = gguf_.FindTensor(name);
  constexpr std::int64_t kMost = std::numeric_limits<int>::max() - 64;
  if (tensor == nullptr || tensor->cols() > kMost || tensor->rows() > kMost) return std::nullopt;
  program::Weight weight{.name = std::string(name),
                         .format = tensor->format,
                         .rows = static_cast<int>(tensor->rows()),
                         .cols = static_cast<int>(tensor->cols())};
  // Files leave out dimensions of 1 at the end: two dimensions are those of a single expert too.
  if (tensor->shape.size() > 2)
    weight.experts = static_cast<int>(tensor->rows() / tensor->shape[1]);
  return weight;
}

}  // namespace cairn::model
