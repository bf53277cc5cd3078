// SPDX-License-Identifier: Apache-2.0
// What Gemma 3n and Gemma 4 share: layers with a window and few that see everything, each kind with
// a rotary embedding of its own; norms of queries, keys and values; last layers that attend to keys
// and values of earlier ones; a table of which every layer reads a row of its own.
// Threads: used by one thread.
#pragma once

#include <array>
#include <vector>

#include "base/error.h"
#include "model/decoder.h"

namespace cairn::model {

struct GemmaLayers {
  Decoder decoder;  // sizes of the layers that see everything
  int local_head_dim, window;
  program::RotateAttributes local;
  std::vector<bool> is_local;  // by layer
  int own_layers;              // with keys and values of their own
  int row;                     // values of a layer's row of the table; 0: no table
  float softcap;               // of the logits; 0: none
};
// 'attention.sliding_window_pattern', 'attention.shared_kv_layers' and so on. Errors: kCorrupt.
[[nodiscard]] Result<GemmaLayers> ReadGemmaLayers(const Gguf& gguf, const HyperParameters& h);

class GemmaBuilder : public DecoderBuilder {
 public:
  // Both must outlive the builder.
  GemmaBuilder(const GgufCatalog& catalog, const GemmaLayers& layers)
      : DecoderBuilder(catalog, layers.decoder), g_(layers) {}

  // What all layers read of the table, side by side: a row of the token and one made of x.
  Value RowsOfLayers(Value x);
  // The current layer's row, gated by x.
  Value LayerRow(Value x, Value rows);
  // The current layer's attention with its output matrix. Values are made with the keys where the
  // layer has no attn_v.
  Value SelfAttention(Value x);
  // The end of the program: logits of the sampled rows of x.
  [[nodiscard]] Result<program::Program> FinishLogits(Value x);

 protected:
  Value WithoutWeight(Value x, int size) {
    return HeadNorm(x, program::kNoWeight, sizes().epsilon, size);
  }

 private:
  const GemmaLayers& g_;
  std::array<Value, 2> last_seen_;  // the last layer with keys and values: global, local
};

}  // namespace cairn::model
