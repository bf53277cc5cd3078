// SPDX-License-Identifier: Apache-2.0
#include "model/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace cairn::model {

using program::Value;
using program::WeightRows;

Result<Decoder> ReadDecoderWithoutRotary(const HyperParameters& h, NormKind norm) {
  Decoder m{};
  m.layers = OR_RETURN(h.Int("block_count", 1, kMostLayers));
  m.width = OR_RETURN(h.Int("embedding_length", 1, kMostWidth));
  m.heads = OR_RETURN(h.Int("attention.head_count", 1, kMostHeads));
  m.kv_heads = OR_RETURN(h.LargestOr("attention.head_count_kv", m.heads, 1, kMostHeads));
  m.head_dim =
      OR_RETURN(h.IntOr("attention.key_length", m.width / m.heads, 2, kernels::kMostHeadDim));
  if (m.head_dim < 2 || m.head_dim > kernels::kMostHeadDim) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{} heads share {} values: 2 to {} each are "
                                                 "supported",
                                                 m.heads, m.width, kernels::kMostHeadDim));
  }
  m.epsilon = static_cast<float>(OR_RETURN(h.Number(
      norm == NormKind::kRms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
      1e-30, 1)));
  m.scale = static_cast<float>(OR_RETURN(
      h.NumberOr("attention.scale", 1 / std::sqrt(static_cast<float>(m.head_dim)), 0, 1e6)));
  if (m.scale == 0) m.scale = 1 / std::sqrt(static_cast<float>(m.head_dim));
  return m;
}

Result<Decoder> ReadDecoder(const Gguf& gguf, const HyperParameters& h, NormKind norm,
                            const RotaryDefaults& rope) {
  Decoder m = OR_RETURN(ReadDecoderWithoutRotary(h, norm));
  m.rope = OR_RETURN(ReadRotary(gguf, h, m.head_dim, rope));
  return m;
}

Result<Multipliers> ReadMultipliers(const HyperParameters& h, const Multipliers& defaults) {
  Multipliers by = defaults;
  by.embedding =
      static_cast<float>(OR_RETURN(h.NumberOr("embedding_scale", defaults.embedding, 1e-6, 1e6)));
  by.residual =
      static_cast<float>(OR_RETURN(h.NumberOr("residual_scale", defaults.residual, 1e-6, 1e6)));
  if (h.Has("logit_scale")) {
    by.logits = static_cast<float>(1 / OR_RETURN(h.Number("logit_scale", 1e-6, 1e6)));
  }
  return by;
}

Result<kernels::Routing> ReadRouting(const Gguf& gguf, const HyperParameters& h,
                                     const kernels::Routing& defaults) {
  kernels::Routing r = defaults;
  r.experts = OR_RETURN(h.Int("expert_count", 1, kernels::kMostExperts));
  r.used =
      OR_RETURN(h.Int("expert_used_count", 1, std::min(r.experts, kernels::kMostExpertsOfRow)));
  r.normalise = OR_RETURN(gguf.GetBool(h.Name("expert_weights_norm"), defaults.normalise));
  r.scale =
      static_cast<float>(OR_RETURN(h.NumberOr("expert_weights_scale", defaults.scale, 0, 1e6)));
  if (r.scale == 0) r.scale = 1;  // as some files say it
  if (h.Has("expert_gating_func")) {
    const int function = OR_RETURN(h.Int("expert_gating_func", 0, 1000));
    if (function > 3) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("metadata '{}' is {}; 1 (softmax), 2 (sigmoid) and 3 (softmax of the "
                              "chosen) are supported",
                              h.Name("expert_gating_func"), function));
    }
    if (function > 0) {
      r.scoring = function == 2 ? kernels::Scoring::kSigmoid : kernels::Scoring::kSoftmax;
    }
    if (function == 3) r.normalise = true;
  }
  r.groups = OR_RETURN(h.IntOr("expert_group_count", defaults.groups, 0, r.experts));
  r.groups = std::max(r.groups, 1);
  r.groups_used = OR_RETURN(
      h.IntOr("expert_group_used_count", std::min(defaults.groups_used, r.groups), 0, r.groups));
  r.groups_used = std::max(r.groups_used, 1);
  return r;
}

Result<std::optional<kernels::Routing>> ReadRoutingIfAny(const Gguf& gguf, const HyperParameters& h,
                                                         const kernels::Routing& defaults) {
  if (OR_RETURN(h.IntOr("expert_count", 0, 0, kernels::kMostExperts)) == 0) return std::nullopt;
  return OR_RETURN(ReadRouting(gguf, h, defaults));
}

Result<int> AlibiBias(const HyperParameters& h, std::string_view key, int fallback) {
  const double bias = OR_RETURN(h.NumberOr(key, fallback, 0, 64));
  if (bias != static_cast<int>(bias)) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("metadata '{}' is {}, a whole number is supported", h.Name(key), bias));
  }
  return static_cast<int>(bias);
}

Value DecoderBuilder::Logits(Value x) {
  const bool tied = !Has("output.weight");
  return Matmul(x, tied ? "token_embd.weight" : "output.weight",
                Has("output.bias") ? WeightRows("output.bias") : program::kNoWeight);
}

Value DecoderBuilder::EndLayerNorm(Value x, std::string_view name) {
  const std::string bias = std::string(name) + ".bias";
  return LayerNorm(x, std::string(name) + ".weight", Has(bias) ? bias : std::string(), m_.epsilon);
}

Heads DecoderBuilder::Project(Value x) {
  if (!Has(LayerWeight("attn_qkv"))) {
    return {Linear(x, "attn_q"), Linear(x, "attn_k"), Linear(x, "attn_v")};
  }
  const auto part = [&](int first, int count) {
    const std::string bias = LayerBias("attn_qkv");
    return Matmul(x, {LayerWeight("attn_qkv"), first, count},
                  bias.empty() ? program::kNoWeight : WeightRows(bias, first, count));
  };
  const int q = m_.heads * m_.head_dim, kv = m_.kv_heads * m_.head_dim;
  return {part(0, q), part(q, kv), part(q + kv, kv)};
}

Heads DecoderBuilder::Rotated(const Heads& heads, const program::RotateAttributes& rope) {
  return {Rotate(heads.q, rope), Rotate(heads.k, rope), heads.v};
}

Heads DecoderBuilder::Normed(const Heads& heads) {
  return {HeadNorm(heads.q, LayerWeight("attn_q_norm"), m_.epsilon),
          HeadNorm(heads.k, LayerWeight("attn_k_norm"), m_.epsilon), heads.v};
}

Heads DecoderBuilder::Clamped(const Heads& heads, float limit) {
  if (limit == 0) return heads;
  return {Clamp(heads.q, limit), Clamp(heads.k, limit), Clamp(heads.v, limit)};
}

Value DecoderBuilder::Attention(const Heads& heads, int window,
                                const program::AttendOptions& options) {
  return Attention(
      heads, {.heads = m_.kv_heads, .head_dim = m_.head_dim, .window = window, .whole = m_.whole},
      options);
}

Value DecoderBuilder::Attention(const Heads& heads, const program::KvLayer& kv,
                                const program::AttendOptions& options) {
  const Value seen = Attend(heads.q, heads.k, heads.v, kv, m_.heads, m_.scale, options);
  return Linear(seen, "attn_output");
}

Value DecoderBuilder::GatedFeedForward(Value x, kernels::Activation activation) {
  if (Has(LayerWeight("ffn_gate"))) {
    return Linear(Gate(activation, Linear(x, "ffn_gate"), Linear(x, "ffn_up")), "ffn_down");
  }
  const int half = RowsOfWeight(LayerWeight("ffn_up")) / 2;
  const std::string bias = LayerBias("ffn_up");
  const auto part = [&](int first) {
    return Matmul(x, {LayerWeight("ffn_up"), first, half},
                  bias.empty() ? program::kNoWeight : WeightRows(bias, first, half));
  };
  return Linear(Gate(activation, part(0), part(half)), "ffn_down");
}

Value DecoderBuilder::RoutedExperts(Value x, kernels::Activation activation,
                                    const kernels::Routing& routing, bool weighed_before) {
  const std::string probs = fmt::format("blk.{}.exp_probs_b", layer());
  const Value routes = Route(Linear(x, "ffn_gate_inp"), routing,
                             Has(probs + ".bias") ? WeightRows(probs + ".bias")
                             : Has(probs)         ? WeightRows(probs)
                                                  : program::kNoWeight);
  if (weighed_before) x = Preweigh(x, routes);
  return ChosenExperts(x, routes, activation, routing.experts, !weighed_before);
}

Value DecoderBuilder::ChosenExperts(Value x, Value routes, kernels::Activation activation,
                                    int count, bool weighed) {
  const auto experts = [&](Value in, std::string_view name) {
    return Experts(in, routes, LayerWeight(name), LayerBias(name));
  };
  Value gated;
  if (const std::string both = LayerWeight("ffn_gate_up_exps"); Has(both)) {
    const int half = RowsOfWeight(both) / count / 2;
    gated = Gate(activation, Experts(x, routes, {both, 0, half}),
                 Experts(x, routes, {both, half, half}));
  } else {
    gated = Gate(activation, experts(x, "ffn_gate_exps"), experts(x, "ffn_up_exps"));
  }
  return Combine(experts(gated, "ffn_down_exps"), routes, weighed);
}

Value DecoderBuilder::SharedExperts(Value x, kernels::Activation activation) {
  const Value y = Linear(Gate(activation, Linear(x, "ffn_gate_shexp"), Linear(x, "ffn_up_shexp")),
                         "ffn_down_shexp");
  return Has(LayerWeight("ffn_gate_inp_shexp")) ? Weigh(y, Linear(x, "ffn_gate_inp_shexp")) : y;
}

Value DecoderBuilder::ExpertFeedForward(Value x, kernels::Activation activation,
                                        const kernels::Routing& routing) {
  if (!Has(LayerWeight("ffn_gate_inp"))) return GatedFeedForward(x, activation);
  const Value y = RoutedExperts(x, activation, routing);
  return Has(LayerWeight("ffn_up_shexp")) ? Add(y, SharedExperts(x, activation)) : y;
}

Value DecoderBuilder::FeedForward(Value x, kernels::Activation activation) {
  return Linear(Activate(activation, Linear(x, "ffn_up")), "ffn_down");
}

Result<program::Program> BuildLlamaLike(const Gguf& gguf, const Decoder& decoder,
                                        const LlamaOptions& options) {
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, decoder);
  const auto scaled = [&b](Value x, float factor) { return factor == 1 ? x : b.Scale(x, factor); };
  Value x = b.Tokens(options.by.embedding);
  for (int l = 0; l < decoder.layers; ++l) {
    b.SetLayer(l);
    Heads heads = b.Project(b.LayerRmsNorm(x, "attn_norm"));
    if (options.head_norms) heads = b.Normed(heads);
    x = b.Add(x, scaled(b.Attention(b.Rotated(heads), options.window), options.by.residual));
    const Value n = b.LayerRmsNorm(x, "ffn_norm");
    const Value f = options.experts
                        ? b.ExpertFeedForward(n, kernels::Activation::kSilu, *options.experts)
                        : b.GatedFeedForward(n, kernels::Activation::kSilu);
    x = b.Add(x, scaled(f, options.by.residual));
  }
  b.SetLayer(-1);
  const Value logits = b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm"));
  return b.Finish(scaled(logits, options.by.logits));
}

}  // namespace cairn::model
