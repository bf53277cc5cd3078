// SPDX-License-Identifier: Apache-2.0
#include "model/encoder.h"

namespace cairn::model {

using program::Value;

Value EncoderBuilder::TypedTokens() {
  const Value x = Tokens();
  return Has("token_types.weight") ? Add(x, TokenType("token_types.weight")) : x;
}

EncoderBuilder::Value EncoderBuilder::RotaryLayers(
    int layers, const std::function<Value(Value)>& feed_forward) {
  Value x = EndLayerNorm(TypedTokens(), "token_embd_norm");
  for (int l = 0; l < layers; ++l) {
    SetLayer(l);
    x = LayerLayerNorm(Add(x, Attention(Rotated(Project(x)))), "attn_output_norm");
    x = LayerLayerNorm(Add(x, feed_forward(x)), "layer_output_norm");
  }
  SetLayer(-1);
  return x;
}

Result<program::Program> EncoderBuilder::FinishRowsOrScores(Value x) {
  if (!Has("cls.output.weight")) return FinishHidden(x);
  const auto bias = [this](const char* name) {
    return Has(name) ? program::WeightRows(name) : program::kNoWeight;
  };
  Value first = Pool(x, program::Pooling::kFirst);
  if (Has("cls.weight")) {
    // cap * tanh(x / cap) with a cap of 1.
    first = Softcap(Matmul(first, "cls.weight", bias("cls.bias")), 1);
  }
  return FinishScores(Matmul(first, "cls.output.weight", bias("cls.output.bias")));
}

}  // namespace cairn::model
