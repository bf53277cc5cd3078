// SPDX-License-Identifier: Apache-2.0
#include "model/hyper_parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/printable.h"

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

Result<int> HyperParameters::LargestOr(std::string_view key, int fallback, int least,
                                       int most) const {
  const GgufValue* value = gguf_.Find(Name(key));
  if (value == nullptr || value->type != GgufType::kArray) {
    return IntOr(key, fallback, least, most);
  }
  const std::vector<std::int32_t> list = OR_RETURN(gguf_.GetInts(Name(key)));
  const auto largest = std::ranges::max_element(list);
  if (largest == list.end() || *largest < least || *largest > most) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the largest of metadata '{}' is {}, {} to {} was expected", Name(key),
                            largest == list.end() ? 0 : *largest, least, most));
  }
  return *largest;
}

Result<std::vector<bool>> HyperParameters::Flags(std::string_view key, int layers) const {
  const std::vector<bool> flags = OR_RETURN(gguf_.GetBools(Name(key)));
  if (flags.size() != static_cast<std::size_t>(layers)) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("metadata '{}' has {} values, {} were expected, one for each layer",
                            Name(key), flags.size(), layers));
  }
  return flags;
}

Result<double> HyperParameters::Number(std::string_view key, double least, double most) const {
  const double value = OR_RETURN(gguf_.GetFloat(Name(key)));
  if (!(value >= least && value <= most)) {
    return Fail(ErrorCode::kCorrupt, fmt::format("metadata '{}' is {}, {} to {} was expected",
                                                 Name(key), value, least, most));
  }
  return value;
}

Result<double> HyperParameters::NumberOr(std::string_view key, double fallback, double least,
                                         double most) const {
  return Has(key) ? Number(key, least, most) : fallback;
}

Result<float> NormEpsilon(const HyperParameters& h) {
  return static_cast<float>(OR_RETURN(h.Number("attention.layer_norm_rms_epsilon", 1e-30, 1)));
}

Result<double> RotaryBase(const HyperParameters& h, std::string_view key, double fallback) {
  return h.NumberOr(key, fallback, 2, 0x1p40);
}

Result<void> RefuseExperts(const HyperParameters& h) {
  if (OR_RETURN(h.IntOr("expert_count", 0, 0, kMostHeads)) > 0) {
    return Fail(ErrorCode::kUnsupported, "this architecture is not supported with experts");
  }
  return {};
}

Result<int> LayersThatPredictFurther(const Gguf& gguf, std::string_view architecture) {
  const HyperParameters h(gguf, architecture);
  const int layers = OR_RETURN(h.Int("block_count", 1, kMostLayers));
  return h.IntOr("nextn_predict_layers", 0, 0, layers - 1);
}

Result<double> PositionScale(const Gguf& gguf, const HyperParameters& h) {
  if (!h.Has("rope.scaling.type")) return 1.0;
  const std::string_view type = OR_RETURN(gguf.GetString(h.Name("rope.scaling.type")));
  if (type == "none") return 1.0;
  if (type != "linear") {
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("position scaling '{}' is not supported yet, only 'linear'", Printable(type)));
  }
  // With kMostContext the largest angle stays below the 2^40 of kernels/angle.h.
  return 1.0 / OR_RETURN(h.Number("rope.scaling.factor", 0x1p-10, 0x1p20));
}

}  // namespace cairn::model
