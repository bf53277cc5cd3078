// SPDX-License-Identifier: Apache-2.0
#include "model/importance.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "base/printable.h"

namespace cairn::model {
namespace {

float FloatAt(const GgufTensor& tensor, std::int64_t index) {
  float value;
  std::memcpy(&value, tensor.bytes.data() + static_cast<std::size_t>(index) * sizeof(value),
              sizeof(value));
  return value;
}

}  // namespace

Result<Importance> Importance::Open(const std::string& path) {
  GgufFile file = OR_RETURN(GgufFile::Open(path));
  const auto type = file.gguf.GetString("general.type");
  if (!type || *type != "imatrix") {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no importance file: a GGUF file whose general.type is imatrix "
                            "was expected",
                            path));
  }
  return Importance(std::move(file));
}

Result<std::vector<float>> Importance::Of(std::string_view name, std::int64_t cols,
                                          std::int64_t matrix, std::int64_t matrices) const {
  const GgufTensor* sums = file_.gguf.FindTensor(std::string(name) + ".in_sum2");
  const GgufTensor* counts = file_.gguf.FindTensor(std::string(name) + ".counts");
  if (sums == nullptr || counts == nullptr) return std::vector<float>();
  const bool floats =
      sums->format == tensor::Format::kF32 && counts->format == tensor::Format::kF32;
  if (!floats || sums->cols() != cols || sums->rows() != matrices || counts->cols() != 1 ||
      counts->rows() != matrices) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the importance file has {} by {} numbers for tensor '{}', {} by {} "
                            "were expected: it is of another model",
                            sums->cols(), sums->rows(), Printable(name), cols, matrices));
  }
  const float count = FloatAt(*counts, matrix);
  std::vector<float> weights;
  if (!(count > 0)) return weights;  // an expert that was never chosen
  for (std::int64_t i = 0; i < cols; ++i) {
    weights.push_back(FloatAt(*sums, matrix * cols + i) / count);
    if (std::isfinite(weights.back()) && weights.back() >= 0) continue;
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("the importance of tensor '{}' has a number that is none", Printable(name)));
  }
  return weights;
}

}  // namespace cairn::model
