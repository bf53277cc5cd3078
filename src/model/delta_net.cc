// SPDX-License-Identifier: Apache-2.0
#include "model/delta_net.h"

#include <cmath>

namespace cairn::model {

using kernels::Activation;
using program::Value;

DeltaBuilder::QkvAndGate DeltaBuilder::MakeQkvAndGate(Value x, const Mamba2Sizes& m) {
  if (Has(LayerWeight("attn_qkv"))) return {Linear(x, "attn_qkv"), Linear(x, "attn_gate")};
  const int keys = m.groups * m.size, own = m.inner / m.groups;
  const Value all = Linear(x, "ssm_in");
  const auto kind = [&](int first, int count) {
    return Join(m.groups, {{all, {first, count, 2 * (m.size + own)}}});
  };
  const Value qkv = Join(1, {{kind(0, m.size), {0, keys}},
                             {kind(m.size, m.size), {0, keys}},
                             {kind(2 * m.size, own), {0, m.inner}}});
  return {qkv, kind(2 * m.size + own, own)};
}

DeltaBuilder::ShareAndStep DeltaBuilder::MakeShareAndStep(Value x, const Mamba2Sizes& m) {
  const std::string bias = LayerTensor("ssm_dt.bias");
  Value share, step;
  if (Has(LayerWeight("ssm_ba"))) {
    const Value both = Linear(x, "ssm_ba");
    const int own = m.heads / m.groups;
    share = Join(m.groups, {{both, {0, own, 2 * own}}});
    step = Add(Join(m.groups, {{both, {own, own, 2 * own}}}), Vector(bias));
  } else {
    share = Linear(x, "ssm_beta");
    step = Matmul(x, LayerWeight("ssm_alpha"), bias);
  }
  return {Activate(Activation::kSigmoid, share), Activate(Activation::kSoftplus, step)};
}

Value DeltaBuilder::DeltaNet(Value x, const Mamba2Sizes& m, KeyHeads order) {
  constexpr float kEpsilon = 1e-6f;  // of lengths; files do not name it
  const int keys = m.groups * m.size;
  const auto size = static_cast<float>(m.size);
  const float unit = 1 / std::sqrt(size);
  const auto [qkv, gate] = MakeQkvAndGate(x, m);
  const Value made = ConvolvedSilu(qkv);
  const Value heads = Join(1, {{made, {0, 2 * keys}}});  // of queries, then of keys
  const Value qk = Scale(HeadNorm(heads, program::kNoWeight, kEpsilon / size, m.size), unit);
  const auto [share, step] = MakeShareAndStep(x, m);
  const Value y = ScanByDelta(made, step, qk, qk, share,
                              {.blocks = m.heads,
                               .channels = m.inner / m.heads,
                               .size = m.size,
                               .groups = m.groups,
                               .take_turns = order == KeyHeads::kTakeTurns,
                               .x = 2 * keys,
                               .b = keys},
                              LayerTensor("ssm_a"));
  const Value normed =
      HeadNorm(Scale(y, unit), LayerWeight("ssm_norm"), sizes().epsilon, m.inner / m.heads);
  return Linear(Gate(Activation::kSilu, gate, normed), "ssm_out");
}

Value DeltaBuilder::GatedAttention(Value x) {
  const Decoder& m = sizes();
  const Value both = Linear(x, "attn_q");
  const auto half = [&](int first) {
    return Join(m.heads, {{both, {first, m.head_dim, 2 * m.head_dim}}});
  };
  const Heads heads = Rotated(Normed({half(0), Linear(x, "attn_k"), Linear(x, "attn_v")}));
  const Value seen = Attend(heads.q, heads.k, heads.v,
                            {.heads = m.kv_heads, .head_dim = m.head_dim}, m.heads, m.scale);
  return Linear(Gate(Activation::kSigmoid, half(m.head_dim), seen), "attn_output");
}

Result<program::Program> BuildDeltaNets(const Gguf& gguf, std::string_view name, KeyHeads order) {
  const HyperParameters h(gguf, name);
  Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  m.layers -= OR_RETURN(LayersThatPredictFurther(gguf, name));
  const Mamba2Sizes state = OR_RETURN(ReadMamba2(h));
  const auto experts = OR_RETURN(ReadRoutingIfAny(gguf, h, {.normalise = true}));
  const GgufCatalog catalog(gguf);
  DeltaBuilder b(catalog, m);
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerRmsNorm(x, "attn_norm");
    const bool has_state = b.Has(b.LayerWeight("ssm_out"));
    x = b.Add(x, has_state ? b.DeltaNet(n, state, order) : b.GatedAttention(n));
    const Value f = b.LayerRmsNorm(x, "post_attention_norm");
    x = b.Add(x, experts ? b.ExpertFeedForward(f, Activation::kSilu, *experts)
                         : b.GatedFeedForward(f, Activation::kSilu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
