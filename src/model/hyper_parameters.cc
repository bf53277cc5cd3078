// SPDX-License-Identifier: Apache-2.0
#include "model/hyper_parameters.h"

#include <fmt/format.h>

#include <cmath>

namespace cairn::model {

Result<int> HyperParameters::Int(std::string_view key, int least, int most) const {
  const std::int64_t value = OR_RETURN(gguf_.GetInt(Name(key)));
  if (value < least || value > most) {
    return Fail(ErrorCode::kCorrupt, fmt::format("metadata '{}' is {}, {} to {} was expected",
                                                 Name(key), value, least, most));
  }
  return static_cast<int>(value);
}

Result<int> HyperParameters::IntOr(std::string_view key, int fallback, int least, int most) const {
  return Has(key) ? Int(key, least, most) : fallback;
}

Result<double> HyperParameters::Positive(std::string_view key) const {
  const double value = OR_RETURN(gguf_.GetFloat(Name(key)));
  if (!std::isfinite(value) || value <= 0) {
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("metadata '{}' is {}, a number above 0 was expected", Name(key), value));
  }
  return value;
}

Result<double> HyperParameters::PositiveOr(std::string_view key, double fallback) const {
  return Has(key) ? Positive(key) : fallback;
}

Result<void> RefuseUnknownFeatures(const Gguf& gguf, const HyperParameters& h) {
  if (OR_RETURN(h.IntOr("expert_count", 0, 0, kMostHeads)) > 0) {
    return Fail(ErrorCode::kUnsupported, "models with experts are not supported yet");
  }
  for (const char* name : {"blk.0.attn_q.bias", "blk.0.attn_k.bias", "blk.0.attn_output.bias",
                           "blk.0.ffn_up.bias", "rope_freqs.weight", "rope_factors_long.weight"}) {
    if (gguf.FindTensor(name) != nullptr) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("tensor '{}' belongs to a feature that is not supported yet", name));
    }
  }
  return {};
}

Result<double> PositionScale(const Gguf& gguf, const HyperParameters& h) {
  if (!h.Has("rope.scaling.type")) return 1.0;
  const std::string_view type = OR_RETURN(gguf.GetString(h.Name("rope.scaling.type")));
  if (type == "none") return 1.0;
  if (type != "linear") {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("position scaling '{}' is not supported yet, only 'linear'", type));
  }
  return 1.0 / OR_RETURN(h.Positive("rope.scaling.factor"));
}

}  // namespace cairn::model
