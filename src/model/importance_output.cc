// SPDX-License-Identifier: Apache-2.0
#include "model/importance_output.h"

namespace cairn::model {

Result<void> WriteImportance(std::span<const ImportanceSums> tensors, std::string_view text,
                             std::uint32_t windows, std::uint32_t window, const ByteSink& sink) {
  GgufOutput out;
  out.Set("general.type", "imatrix");
  const std::string datasets[] = {std::string(text)};
  out.SetStrings("imatrix.datasets", datasets);
  out.Set("imatrix.chunk_count", windows);
  out.Set("imatrix.chunk_size", window);
  for (const ImportanceSums& one : tensors) {
    const auto matrices = static_cast<std::int64_t>(one.counts.size());
    const auto add = [&](const char* end, std::int64_t cols, const std::vector<float>& values) {
      out.AddTensor(
          one.tensor + end, tensor::Format::kF32, {cols, matrices},
          [&values](const ByteSink& bytes) { return bytes(std::as_bytes(std::span(values))); });
    };
    add(".in_sum2", one.cols, one.sums);
    add(".counts", 1, one.counts);
  }
  return out.Write(sink);
}

}  // namespace cairn::model
