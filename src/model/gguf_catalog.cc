// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_catalog.h"

#include <limits>
#include <string>

namespace cairn::model {

std::optional<program::Weight> GgufCatalog::Find(std::string_view name) const {
  const GgufTensor* tensor = gguf_.FindTensor(name);
  constexpr std::int64_t kMost = std::numeric_limits<int>::max() - 64;
  if (tensor == nullptr || tensor->cols() > kMost || tensor->rows() > kMost) return std::nullopt;
  return program::Weight{std::string(name), tensor->format, static_cast<int>(tensor->rows()),
                         static_cast<int>(tensor->cols())};
}

}  // namespace cairn::model
