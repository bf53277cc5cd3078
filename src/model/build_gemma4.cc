// SPDX-License-Identifier: Apache-2.0
// Gemma 4 (text): norms before and after each half of a layer, and what gemma_layers.h has. The
// small models add a row of the layer's table behind each layer; the large ones have experts beside
// their feed-forward.
#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "model/architectures.h"
#include "model/gemma_layers.h"

namespace cairn::model {
namespace {

using kernels::Activation;
using program::Value;

class Gemma4Builder : public GemmaBuilder {
 public:
  Gemma4Builder(const GgufCatalog& catalog, const GemmaLayers& layers,
                std::optional<kernels::Routing> experts)
      : GemmaBuilder(catalog, layers), experts_(experts) {}

  Value FeedForwards(Value x) {
    const Value dense = GatedFeedForward(LayerRmsNorm(x, "ffn_norm"), Activation::kGelu);
    if (!experts_) return dense;
    const Value first = LayerRmsNorm(dense, "post_ffw_norm_1");
    return Add(first, LayerRmsNorm(Experts(x), "post_ffw_norm_2"));
  }

 private:
  // The router has a norm and scales of its own.
  Value Experts(Value x) {
    const std::string scales = fmt::format("blk.{}.ffn_gate_inp.scale", layer());
    const std::string of_experts = fmt::format("blk.{}.ffn_down_exps.scale", layer());
    const int width = sizes().width;
    const Value normed = Scale(WithoutWeight(x, width), 1 / std::sqrt(static_cast<float>(width)));
    const Value scaled = Gate(Activation::kIdentity, normed, Vector(scales));
    const Value routes = Route(Linear(scaled, "ffn_gate_inp"), *experts_, program::kNoWeight,
                               Has(of_experts) ? of_experts : std::string());
    return ChosenExperts(LayerRmsNorm(x, "pre_ffw_norm_2"), routes, Activation::kGelu,
                         experts_->experts);
  }

  const std::optional<kernels::Routing> experts_;
};

}  // namespace

Result<program::Program> BuildGemma4(const Gguf& gguf) {
  const HyperParameters h(gguf, "gemma4");
  const GemmaLayers g = OR_RETURN(ReadGemmaLayers(gguf, h));
  const auto experts = OR_RETURN(ReadRoutingIfAny(gguf, h, {.normalise = true}));
  const GgufCatalog catalog(gguf);
  Gemma4Builder b(catalog, g, experts);
  Value x = b.Tokens(std::sqrt(static_cast<float>(g.decoder.width)));
  const Value rows = g.row > 0 ? b.RowsOfLayers(x) : Value{};
  for (int l = 0; l < g.decoder.layers; ++l) {
    b.SetLayer(l);
    const Value a = b.SelfAttention(b.LayerRmsNorm(x, "attn_norm"));
    x = b.Add(x, b.LayerRmsNorm(a, "post_attention_norm"));
    x = b.Add(x, b.LayerRmsNorm(b.FeedForwards(x), "post_ffw_norm"));
    if (g.row > 0) x = b.Add(x, b.LayerRow(x, rows));
    const std::string scale = b.LayerWeight("layer_output_scale");
    if (b.Has(scale)) x = b.ScaleBy(x, scale);
  }
  return b.FinishLogits(x);
}

}  // namespace cairn::model
