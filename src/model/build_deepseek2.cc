// SPDX-License-Identifier: Apache-2.0
// DeepSeek V2 and V3: latent attention, then experts behind layers of dense feed-forwards.
//
// Keys and values of all heads come of one latent vector per position, keys with a rotated part
// that all heads share. Files with attn_k_b and attn_v_b keep the latent itself: a query meets the
// matrix of keys of its head, and what it has seen of the latents meets the matrix of values. Files
// with both as attn_kv_b keep keys and values of every head.
#include <fmt/format.h>

#include <cmath>

#include "kernels/angle.h"
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {
namespace {

using program::HeadSlice;
using program::Value;

struct Latent {
  int rank;           // values of the latent
  int rotated;        // values of a key or query that rotate
  int plain;          // and those that do not
  int values;         // of a head
  bool compressed_q;  // queries come of a latent too
  float scale;
};

// The scale of the scores with YaRN: the magnitude that others give to cosines and sines counts
// twice here, as far as the file says.
Result<Latent> ReadLatent(const HyperParameters& h, Decoder& m) {
  Latent a{};
  a.rank = OR_RETURN(h.Int("attention.kv_lora_rank", 1, kMostWidth));
  a.rotated = m.rope.n_rot;
  // Files whose keys are latents say the width of a head's own keys and values apart.
  const bool apart = h.Has("attention.key_length_mla");
  const int keys =
      OR_RETURN(h.Int(apart ? "attention.key_length_mla" : "attention.key_length", 2, kMostWidth));
  a.values = OR_RETURN(
      h.Int(apart ? "attention.value_length_mla" : "attention.value_length", 1, kMostWidth));
  a.plain = keys - a.rotated;
  if (a.plain < 1) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("keys of {} values cannot have {} that rotate", keys, a.rotated));
  }
  a.compressed_q = h.Has("attention.q_lora_rank");
  a.scale = 1 / std::sqrt(static_cast<float>(keys));
  if (!m.rope.factors.empty()) {
    const double stretch = OR_RETURN(h.Number("rope.scaling.factor", 1, 0x1p20));
    const double by = OR_RETURN(h.NumberOr("rope.scaling.yarn_log_multiplier", 0, 0, 1e3));
    const double magnitude = 1 + by * kernels::NaturalLogarithm(stretch);
    a.scale = static_cast<float>(a.scale * magnitude * magnitude);
    m.rope.magnitude = 1;
  }
  return a;
}

class DeepSeekBuilder : public DecoderBuilder {
 public:
  DeepSeekBuilder(const GgufCatalog& catalog, const Decoder& decoder, const Latent& latent)
      : DecoderBuilder(catalog, decoder), a_(latent) {}

  Value LatentAttention(Value x) {
    const Value q = a_.compressed_q
                        ? Linear(LayerRmsNorm(Linear(x, "attn_q_a"), "attn_q_a_norm"), "attn_q_b")
                        : Linear(x, "attn_q");
    // The latent and the rotated part of the key.
    const std::string down = LayerWeight("attn_kv_a_mqa");
    RequireRows(down, a_.rank + a_.rotated);
    RequireRows(LayerWeight(a_.compressed_q ? "attn_q_b" : "attn_q"),
                std::int64_t{heads()} * (a_.plain + a_.rotated));
    const Value c = LayerRmsNorm(Matmul(x, {down, 0, a_.rank}), "attn_kv_a_norm");
    const Value k = Matmul(x, {down, a_.rank, a_.rotated});
    return Has(LayerWeight("attn_kv_b")) ? OfHeads(q, c, k) : OfLatents(q, c, k);
  }

 private:
  int heads() const { return sizes().heads; }
  void RequireRows(const std::string& weight, std::int64_t rows) {
    Require(RowsOfWeight(weight) == rows,
            "a matrix of latent attention does not have the rows that ranks and heads ask for");
  }
  program::RotateAttributes RotaryOf(int head_dim) const {
    program::RotateAttributes rope = sizes().rope;
    rope.head_dim = head_dim;
    return rope;
  }
  // Of a head's query: [plain, rotated].
  HeadSlice RotatedQuery() const {
    return {.first = a_.plain, .count = a_.rotated, .stride = a_.plain + a_.rotated};
  }
  Value Seen(Value q, Value k, Value v, int kv_heads, int head_dim) {
    const program::RotateAttributes rope = RotaryOf(head_dim);
    return Attend(Rotate(q, rope), Rotate(k, rope), v, {.heads = kv_heads, .head_dim = head_dim},
                  heads(), a_.scale);
  }

  Value OfLatents(Value q, Value c, Value k) {
    const int d = a_.rotated + a_.rank;
    RequireRows(LayerWeight("attn_v_b"), std::int64_t{heads()} * a_.values);
    const HeadSlice plain{.first = 0, .count = a_.plain, .stride = a_.plain + a_.rotated};
    const Value met = HeadMatmul(q, heads(), plain, LayerWeight("attn_k_b"));
    const HeadSlice latent{.first = 0, .count = a_.rank, .stride = a_.rank};
    const Value queries = Join(heads(), {{q, RotatedQuery()}, {met, latent}});
    const Value keys = Join(1, {{k, {0, a_.rotated, 0}}, {c, {0, a_.rank, 0}}});
    const Value values = Join(1, {{c, {0, a_.rank, 0}}}, a_.rotated);
    const Value seen = Seen(queries, keys, values, 1, d);
    return Linear(HeadMatmul(seen, heads(), {.first = 0, .count = a_.rank, .stride = d},
                             LayerWeight("attn_v_b")),
                  "attn_output");
  }

  Value OfHeads(Value q, Value c, Value k) {
    const int d = a_.rotated + a_.plain;
    const Value both = Linear(c, "attn_kv_b");  // of each head: [plain keys, values]
    const int stride = a_.plain + a_.values;
    RequireRows(LayerWeight("attn_kv_b"), std::int64_t{heads()} * stride);
    const HeadSlice plain{.first = 0, .count = a_.plain, .stride = stride};
    const Value queries =
        Join(heads(), {{q, RotatedQuery()}, {q, {.first = 0, .count = a_.plain, .stride = d}}});
    const Value keys = Join(heads(), {{k, {0, a_.rotated, 0}}, {both, plain}});
    Require(a_.values <= d, "values are wider than keys");
    const Value values =
        Join(heads(), {{both, {.first = a_.plain, .count = a_.values, .stride = stride}}},
             std::max(0, d - a_.values));
    const Value seen = Seen(queries, keys, values, heads(), d);
    return Linear(Join(heads(), {{seen, {.first = 0, .count = a_.values, .stride = d}}}),
                  "attn_output");
  }

  const Latent a_;
};

}  // namespace

Result<program::Program> BuildDeepSeek2(const Gguf& gguf) {
  const HyperParameters h(gguf, "deepseek2");
  Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
  const Latent latent = OR_RETURN(ReadLatent(h, m));
  kernels::Routing experts = OR_RETURN(ReadRouting(gguf, h, {}));
  // A group counts by its two best where a bias decides with the scores (V3), else by its best.
  if (experts.scoring == kernels::Scoring::kSigmoid) experts.group_largest = 2;
  const GgufCatalog catalog(gguf);
  DeepSeekBuilder b(catalog, m, latent);
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    x = b.Add(x, b.LatentAttention(b.LayerRmsNorm(x, "attn_norm")));
    const Value n = b.LayerRmsNorm(x, "ffn_norm");
    x = b.Add(x, b.ExpertFeedForward(n, kernels::Activation::kSilu, experts));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
