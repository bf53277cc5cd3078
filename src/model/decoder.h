// SPDX-License-Identifier: Apache-2.0
// What decoder-only transformers share: the sizes that all of them have, and the blocks of which an
// architecture's builder composes its layers.
//
// Tensors are found by the names that GGUF files give them ("blk.0.attn_q.weight"); a bias is used
// where the file has one; queries, keys and values, or a gate and what it multiplies, may be one
// tensor. Errors are kept as in program::Builder.
// Threads: used by one thread.
#pragma once

#include <optional>
#include <string_view>

#include "base/error.h"
#include "model/gguf_catalog.h"
#include "model/hyper_parameters.h"
#include "model/rotary.h"
#include "program/builder.h"

namespace cairn::model {

// Sizes, read and checked against the caps of hyper_parameters.h; the builder checks them against
// the tensors.
struct Decoder {
  int layers, width, heads, kv_heads, head_dim;
  float epsilon;  // of the norms
  float scale;    // of the queries: 1 / sqrt(head_dim) unless the file has another
  program::RotateAttributes rope;
  bool whole;  // an encoder: attention sees later tokens too
};

enum class NormKind { kRms, kLayer };  // which key has the epsilon

[[nodiscard]] Result<Decoder> ReadDecoder(const Gguf& gguf, const HyperParameters& h, NormKind norm,
                                          const RotaryDefaults& rope);
// For models without a rotary embedding.
[[nodiscard]] Result<Decoder> ReadDecoderWithoutRotary(const HyperParameters& h, NormKind norm);

// Scales of a model that has them ('embedding_scale', 'residual_scale', 'logit_scale', of which the
// last divides).
struct Multipliers {
  float embedding = 1, residual = 1, logits = 1;
};
[[nodiscard]] Result<Multipliers> ReadMultipliers(const HyperParameters& h,
                                                  const Multipliers& defaults);

// How rows find their experts: 'expert_count', 'expert_used_count' and, where a file has them,
// 'expert_weights_norm', 'expert_weights_scale', 'expert_gating_func', 'expert_group_count' and
// 'expert_group_used_count'; else the defaults. Errors: kCorrupt, kUnsupported (another gating).
[[nodiscard]] Result<kernels::Routing> ReadRouting(const Gguf& gguf, const HyperParameters& h,
                                                   const kernels::Routing& defaults);
// The same for an architecture that may have experts: nothing where the file has none.
[[nodiscard]] Result<std::optional<kernels::Routing>> ReadRoutingIfAny(
    const Gguf& gguf, const HyperParameters& h, const kernels::Routing& defaults);

// The largest bias of ALiBi, a whole number up to 64; 0: none.
[[nodiscard]] Result<int> AlibiBias(const HyperParameters& h, std::string_view key, int fallback);

// Queries, keys and values of one layer.
struct Heads {
  program::Value q, k, v;
};

class DecoderBuilder : public program::Builder {
 public:
  using Value = program::Value;

  // The catalog must outlive the builder; a copy of the sizes is kept.
  DecoderBuilder(const GgufCatalog& catalog, const Decoder& decoder)
      : program::Builder(catalog), m_(decoder) {}

  // "token_embd" and, after the layers, "output" or the embedding again, with a bias where there is
  // one.
  Value Tokens(float scale = 1) { return Embed("token_embd.weight", scale); }
  Value Logits(Value x);

  // Of the current layer, by the short name of the tensors.
  Value LayerRmsNorm(Value x, std::string_view name) {
    return RmsNorm(x, LayerWeight(name), m_.epsilon);
  }
  Value LayerLayerNorm(Value x, std::string_view name) {
    return LayerNorm(x, LayerWeight(name), LayerBias(name), m_.epsilon);
  }
  // Norms outside the layers: "output_norm".
  Value EndRmsNorm(Value x, std::string_view name) {
    return RmsNorm(x, std::string(name) + ".weight", m_.epsilon);
  }
  Value EndLayerNorm(Value x, std::string_view name);

  Value Linear(Value x, std::string_view name) {
    return Matmul(x, LayerWeight(name), LayerBias(name));
  }

  // attn_q, attn_k and attn_v, or the rows of attn_qkv in that order.
  Heads Project(Value x);
  Heads Rotated(const Heads& heads) { return Rotated(heads, m_.rope); }
  Heads Rotated(const Heads& heads, const program::RotateAttributes& rope);
  // Norms of queries and keys: "attn_q_norm" and "attn_k_norm", over heads or over the whole row,
  // as many values as these have.
  Heads Normed(const Heads& heads);
  // Each held inside [-limit, limit]; as they are where it is 0.
  Heads Clamped(const Heads& heads, float limit);
  // The attention with its output matrix; every position before is seen where `window` is 0.
  Value Attention(const Heads& heads, int window = 0, const program::AttendOptions& options = {});
  // The same over what `seen` says.
  Value Attention(const Heads& heads, const program::KvLayer& seen,
                  const program::AttendOptions& options = {});

  // ffn_down of act(gate) * up, where the gate is ffn_gate, or the first half of ffn_up's rows.
  Value GatedFeedForward(Value x, kernels::Activation activation);
  // The experts that ffn_gate_inp chooses (its bias by expert: exp_probs_b), as a gated
  // feed-forward each (ffn_gate_exps, ffn_up_exps or both in ffn_gate_up_exps, ffn_down_exps), and
  // the shared ones (ffn_*_shexp, weighed by ffn_gate_inp_shexp where there is one).
  // GatedFeedForward in layers without a router.
  Value ExpertFeedForward(Value x, kernels::Activation activation, const kernels::Routing& routing);
  // ffn_down of act(ffn_up).
  Value FeedForward(Value x, kernels::Activation activation);

  // What ExpertFeedForward adds up. `weighed_before`: rows are weighed before they meet their only
  // expert, not after.
  Value RoutedExperts(Value x, kernels::Activation activation, const kernels::Routing& routing,
                      bool weighed_before = false);
  // The same by a choice that is made already, of as many experts.
  Value ChosenExperts(Value x, Value routes, kernels::Activation activation, int experts,
                      bool weighed = true);
  Value SharedExperts(Value x, kernels::Activation activation);

  const Decoder& sizes() const { return m_; }

 private:
  const Decoder m_;
};

// What models that are made like llama may have beside it.
struct LlamaOptions {
  int window = 0;           // positions that attention sees; 0: all
  bool head_norms = false;  // of queries and keys
  Multipliers by;
  std::optional<kernels::Routing> experts;
};

// The whole program of a model that is made like llama: RMS norms before each half of a layer,
// rotated heads, a feed-forward gated with silu.
[[nodiscard]] Result<program::Program> BuildLlamaLike(const Gguf& gguf, const Decoder& decoder,
                                                      const LlamaOptions& options = {});

}  // namespace cairn::model
