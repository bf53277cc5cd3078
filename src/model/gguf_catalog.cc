// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_catalog.h"

#include <limits>
#include <string>

namespace cairn::model {
namespace {
constexpr std::int64_t kMost = std::numeric_limits<int>::max() - 64;
}  // namespace

std::string NameOfExpertsApart(std::string_view name) {
  constexpr std::string_view kEnd = "_exps.weight";
  if (!name.ends_with(kEnd)) return {};
  return std::string(name.substr(0, name.size() - kEnd.size())) + ".{}.weight";
}

// All experts must be alike.
std::optional<program::Weight> GgufCatalog::FindApart(std::string_view name) const {
  program::Weight all{.name = NameOfExpertsApart(name), .apart = true};
  if (all.name.empty()) return std::nullopt;
  all.rows = 1;  // of each, until the first is known
  for (all.experts = 0;; ++all.experts) {
    std::string one = all.name;
    one.replace(one.find("{}"), 2, std::to_string(all.experts));
    const std::optional<program::Weight> found = Find(one);
    if (!found) break;
    if (all.experts == 0) {
      all.format = found->format;
      all.rows = found->rows;
      all.cols = found->cols;
    }
    if (found->format != all.format || found->rows != all.rows || found->cols != all.cols) break;
  }
  const std::int64_t rows = std::int64_t{all.rows} * all.experts;
  if (all.experts == 0 || rows > kMost) return std::nullopt;
  all.rows = static_cast<int>(rows);
  return all;
}

std::optional<program::Weight> GgufCatalog::Find(std::string_view name) const {
  const GgufTensor* tensor = gguf_.FindTensor(name);
  if (tensor == nullptr) return FindApart(name);
  if (tensor->cols() > kMost || tensor->rows() > kMost) return std::nullopt;
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
