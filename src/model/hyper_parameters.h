// SPDX-License-Identifier: Apache-2.0
// Reads hyper-parameters under an architecture's prefix ('llama.block_count') with their ranges.
// Threads: const, as Gguf.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/gguf.h"

namespace cairn::model {

class HyperParameters {
 public:
  explicit HyperParameters(const Gguf& gguf, std::string_view architecture)
      : gguf_(gguf), prefix_(std::string(architecture) + ".") {}

  // Errors: kCorrupt where the key is missing, of another type or outside [least, most].
  [[nodiscard]] Result<int> Int(std::string_view key, int least, int most) const;
  [[nodiscard]] Result<int> IntOr(std::string_view key, int fallback, int least, int most) const;
  // Of files that say it once, and of those that have a list with a number for each layer: the
  // largest, since some layers may have none.
  [[nodiscard]] Result<int> LargestOr(std::string_view key, int fallback, int least,
                                      int most) const;
  // A list with a 0 or 1 (or false or true) for each of so many layers.
  [[nodiscard]] Result<std::vector<bool>> Flags(std::string_view key, int layers) const;
  [[nodiscard]] Result<double> Number(std::string_view key, double least, double most) const;
  [[nodiscard]] Result<double> NumberOr(std::string_view key, double fallback, double least,
                                        double most) const;
  bool Has(std::string_view key) const { return gguf_.Find(Name(key)) != nullptr; }
  std::string Name(std::string_view key) const { return prefix_ + std::string(key); }

 private:
  const Gguf& gguf_;
  std::string prefix_;
};

// Caps on what a file may claim, far above any real model.
inline constexpr int kMostLayers = 1024;
inline constexpr int kMostWidth = 1 << 20;  // values of a row
inline constexpr int kMostHeads = 4096;
inline constexpr int kMostContext = 1 << 28;  // tokens

[[nodiscard]] Result<float> NormEpsilon(const HyperParameters& h);
// A rotary base in the range that the kernels' angles have (kernels/angle.h).
[[nodiscard]] Result<double> RotaryBase(const HyperParameters& h, std::string_view key,
                                        double fallback);

// kUnsupported for a model with experts, for builders that know none.
[[nodiscard]] Result<void> RefuseExperts(const HyperParameters& h);

// How many of the last layers of a file ('nextn_predict_layers') guess tokens further on; fewer
// than it has. They are no part of a model's own answer.
[[nodiscard]] Result<int> LayersThatPredictFurther(const Gguf& gguf, std::string_view architecture);

// Linear position scaling: 1, or 1 / factor. Errors: kUnsupported for other kinds of scaling.
[[nodiscard]] Result<double> PositionScale(const Gguf& gguf, const HyperParameters& h);

}  // namespace cairn::model
