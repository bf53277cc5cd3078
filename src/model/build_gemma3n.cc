// SPDX-License-Identifier: Apache-2.0
// Gemma 3n (text): several streams of rows, of which each layer works on one and corrects the
// others by what it made of it (AltUp); beside attention a detour through few values (Laurel);
// gates of the first layers of which only the largest are left; and what gemma_layers.h has.
#include <array>
#include <cmath>
#include <vector>

#include "model/architectures.h"
#include "model/gemma_layers.h"

namespace cairn::model {
namespace {

using kernels::Activation;
using program::Value;

constexpr int kStreams = 4;
using Streams = std::array<Value, kStreams>;

struct Gemma3n {
  GemmaLayers layers;
  int active;                     // the stream that layers work on
  std::vector<float> deviations;  // above the mean, of the gates that are left; by layer
};

Result<Gemma3n> ReadGemma3n(const Gguf& gguf) {
  const HyperParameters h(gguf, "gemma3n");
  Gemma3n g{.layers = OR_RETURN(ReadGemmaLayers(gguf, h)), .active = 0, .deviations = {}};
  OR_RETURN(h.IntOr("altup.num_inputs", kStreams, kStreams, kStreams));
  g.active = OR_RETURN(h.IntOr("altup.active_idx", 0, 0, kStreams - 1));
  g.deviations = OR_RETURN(gguf.GetFloats(h.Name("activation_sparsity_scale")));
  if (g.deviations.size() != static_cast<std::size_t>(g.layers.decoder.layers)) {
    return Fail(ErrorCode::kCorrupt,
                "metadata 'gemma3n.activation_sparsity_scale' must have a value for each layer");
  }
  return g;
}

class Gemma3nBuilder : public GemmaBuilder {
 public:
  Gemma3nBuilder(const GgufCatalog& catalog, const Gemma3n& g)
      : GemmaBuilder(catalog, g.layers), g_(g) {}

  Streams Begin(Value x) {
    Streams s{x};
    for (int i = 1; i < kStreams; ++i) s[i] = Resize(Projected(x, "altup_proj.weight", i), x);
    return s;
  }
  Value End(const Streams& s) {
    Value sum = s[0];
    for (int i = 1; i < kStreams; ++i) {
      sum = Add(sum, Resize(Projected(s[i], "altup_unembd_proj.weight", i), s[0]));
    }
    return Scale(sum, 1.0f / kStreams);
  }
  Streams Layer(const Streams& s, Value rows) {
    Streams now = Predict(s);
    now = Correct(now, Work(now[g_.active]));
    const Value first =
        Gate(Activation::kIdentity, now[g_.active], Vector(LayerWeight("altup_correct_scale")));
    const Value row = LayerRow(first, rows);
    for (int i = 1; i < kStreams; ++i) now[i] = Add(now[i], row);
    return now;
  }

 private:
  // By the matrix of stream i, of which the first has none.
  Value Projected(Value x, const char* name, int i) {
    const int width = sizes().width;
    return Matmul(x, {name, (i - 1) * width, width});
  }
  // Of x a value for each stream.
  Value Modalities(Value x) {
    const Value n = LayerRmsNorm(x, "altup_router_norm");
    // cap * tanh(x / cap) with a cap of 1.
    return Softcap(Linear(Scale(n, 1.0f / static_cast<float>(sizes().width)), "altup_router"), 1);
  }
  Streams Predict(const Streams& s) {
    const Value factors = Linear(Modalities(s[g_.active]), "altup_predict_coef");
    Streams all = s;
    for (int i = 0; i < kStreams; ++i) {
      for (int j = 0; j < kStreams; ++j) all[i] = Blend(all[i], s[j], factors, i * kStreams + j);
    }
    return all;
  }
  Streams Correct(const Streams& predicted, Value made) {
    const Value factors = Linear(Modalities(made), "altup_correct_coef");
    const Value news = Add(made, Scale(predicted[g_.active], -1));
    Streams all = predicted;
    for (int i = 0; i < kStreams; ++i) all[i] = Blend(Add(all[i], news), news, factors, i);
    return all;
  }
  // The layer itself.
  Value Work(Value x) {
    const Value n = LayerRmsNorm(x, "attn_norm");
    const Value detour =
        Add(n, LayerRmsNorm(Linear(Linear(n, "laurel_l"), "laurel_r"), "laurel_post_norm"));
    const Value a = Add(x, LayerRmsNorm(SelfAttention(n), "post_attention_norm"));
    const Value both = Scale(Add(a, detour), std::sqrt(0.5f));
    return Add(both,
               LayerRmsNorm(SparseFeedForward(LayerRmsNorm(both, "ffn_norm")), "post_ffw_norm"));
  }
  Value SparseFeedForward(Value x) {
    const float deviations = g_.deviations[static_cast<std::size_t>(layer())];
    if (!std::isfinite(deviations)) return GatedFeedForward(x, Activation::kGelu);
    const Value gate = Sparsify(Linear(x, "ffn_gate"), deviations);
    return Linear(Gate(Activation::kGelu, gate, Linear(x, "ffn_up")), "ffn_down");
  }

  const Gemma3n& g_;
};

}  // namespace

Result<program::Program> BuildGemma3n(const Gguf& gguf) {
  const Gemma3n g = OR_RETURN(ReadGemma3n(gguf));
  const GgufCatalog catalog(gguf);
  Gemma3nBuilder b(catalog, g);
  const Value x = b.Tokens(std::sqrt(static_cast<float>(g.layers.decoder.width)));
  const Value rows = b.RowsOfLayers(x);
  Streams streams = b.Begin(x);
  for (int l = 0; l < g.layers.decoder.layers; ++l) {
    b.SetLayer(l);
    streams = b.Layer(streams, rows);
  }
  b.SetLayer(-1);
  return b.FinishLogits(b.End(streams));
}

}  // namespace cairn::model
