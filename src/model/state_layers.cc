// SPDX-License-Identifier: Apache-2.0
#include "model/state_layers.h"

#include <fmt/format.h>

namespace cairn::model {

using kernels::Activation;
using program::Value;

namespace {

constexpr int kMostStateSize = 4096;

}  // namespace

Result<Decoder> ReadStateDecoder(const HyperParameters& h) {
  Decoder m{};
  m.layers = OR_RETURN(h.Int("block_count", 1, kMostLayers));
  m.width = OR_RETURN(h.Int("embedding_length", 1, kMostWidth));
  m.epsilon = OR_RETURN(NormEpsilon(h));
  return m;
}

Result<Mamba2Sizes> ReadMamba2(const HyperParameters& h) {
  Mamba2Sizes m{};
  m.inner = OR_RETURN(h.Int("ssm.inner_size", 1, kMostWidth));
  m.heads = OR_RETURN(h.Int("ssm.time_step_rank", 1, kMostHeads));
  m.size = OR_RETURN(h.Int("ssm.state_size", 1, kMostStateSize));
  m.groups = OR_RETURN(h.IntOr("ssm.group_count", 1, 1, m.heads));
  if (m.inner % m.heads != 0 || m.heads % m.groups != 0) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} channels do not make {} heads of a state in {} groups", m.inner,
                            m.heads, m.groups));
  }
  return m;
}

Result<MambaSizes> ReadMamba(const Gguf& gguf, const HyperParameters& h) {
  MambaSizes m{};
  m.inner = OR_RETURN(h.Int("ssm.inner_size", 16, kMostWidth));
  m.size = OR_RETURN(h.Int("ssm.state_size", 1, kMostStateSize));
  m.rank = OR_RETURN(h.Int("ssm.time_step_rank", 1, kMostWidth));
  m.bare_norms = OR_RETURN(gguf.GetBool(h.Name("ssm.dt_b_c_rms"), false));
  return m;
}

// Rates and skips have names without an ending.
std::string StateBuilder::LayerTensor(std::string_view name) const {
  return fmt::format("blk.{}.{}", layer(), name);
}

Value StateBuilder::ConvolvedSilu(Value x) {
  return Activate(Activation::kSilu,
                  Convolve(x, LayerWeight("ssm_conv1d"), LayerBias("ssm_conv1d")));
}

// ssm_in makes gates, then x, b and c in one, then the time steps.
Value StateBuilder::Mamba2(Value x, const Mamba2Sizes& m) {
  const int shared = m.groups * m.size, all = m.inner + 2 * shared;
  Require(RowsOfWeight(LayerWeight("ssm_in")) == m.inner + all + m.heads,
          "ssm_in does not have the rows that the sizes of the state ask for");
  const Value gate = Part(x, "ssm_in", 0, m.inner);
  const Value xbc = ConvolvedSilu(Part(x, "ssm_in", m.inner, all));
  const Value step =
      Activate(Activation::kSoftplus,
               Matmul(x, {LayerWeight("ssm_in"), m.inner + all, m.heads}, LayerBias("ssm_dt")));
  const Value y = Scan(xbc, step, xbc, xbc,
                       {.blocks = m.heads,
                        .channels = m.inner / m.heads,
                        .size = m.size,
                        .groups = m.groups,
                        .b = m.inner,
                        .c = m.inner + shared},
                       LayerTensor("ssm_a"), LayerTensor("ssm_d"));
  Value gated = Gate(Activation::kSilu, gate, y);
  if (const std::string norm = LayerWeight("ssm_norm"); Has(norm)) {
    gated = HeadNorm(gated, norm, sizes().epsilon, m.inner / m.groups);
  }
  return Linear(gated, "ssm_out");
}

Value StateBuilder::Mamba(Value x, const MambaSizes& m) {
  Require(m.inner % 16 == 0, "the channels of a state must be a multiple of 16");
  Require(RowsOfWeight(LayerWeight("ssm_in")) == 2 * m.inner &&
              RowsOfWeight(LayerWeight("ssm_x")) == m.rank + 2 * m.size,
          "ssm_in or ssm_x does not have the rows that the sizes of the state ask for");
  const Value convolved = ConvolvedSilu(Part(x, "ssm_in", 0, m.inner));
  const Value gate = Part(x, "ssm_in", m.inner, m.inner);
  const auto made = [&](int first, int count, std::string_view norm) {
    const Value part = Part(convolved, "ssm_x", first, count);
    const bool has_norm = Has(LayerWeight(norm));
    if (!has_norm && !m.bare_norms) return part;
    return RmsNorm(part, has_norm ? program::WeightRows(LayerWeight(norm)) : program::kNoWeight,
                   sizes().epsilon);
  };
  const Value rank = made(0, m.rank, "ssm_dt_norm");
  const Value b = made(m.rank, m.size, "ssm_b_norm");
  const Value c = made(m.rank + m.size, m.size, "ssm_c_norm");
  const Value step = Activate(Activation::kSoftplus, Linear(rank, "ssm_dt"));
  const Value y = Scan(convolved, step, b, c,
                       {.blocks = m.inner / 16, .channels = 16, .size = m.size, .apart = true},
                       LayerTensor("ssm_a"), LayerTensor("ssm_d"));
  return Linear(Gate(Activation::kSilu, gate, y), "ssm_out");
}

Value StateBuilder::ShortConvolution(Value x) {
  const int width = sizes().width;
  constexpr std::string_view kInput = "shortconv.in_proj";
  Require(RowsOfWeight(LayerWeight(kInput)) == 3 * width,
          "shortconv.in_proj does not have three times the rows of the model's width");
  const Value before = Part(x, kInput, 0, width), behind = Part(x, kInput, width, width);
  const Value gated = Gate(Activation::kIdentity, before, Part(x, kInput, 2 * width, width));
  const Value y = Convolve(gated, LayerWeight("shortconv.conv"), LayerBias("shortconv.conv"));
  return Linear(Gate(Activation::kIdentity, behind, y), "shortconv.out_proj");
}

Result<program::Program> StateBuilder::StatesAlone(int layers,
                                                   const std::function<Value(Value)>& state) {
  Value x = Tokens();
  for (int l = 0; l < layers; ++l) {
    SetLayer(l);
    x = Add(x, state(LayerRmsNorm(x, "attn_norm")));
  }
  SetLayer(-1);
  return Finish(Logits(EndRmsNorm(SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
