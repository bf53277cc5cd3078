// SPDX-License-Identifier: Apache-2.0
// Models of gated delta nets: a state in most layers, which says what it knows of a row and learns
// a share of the rest (docs/canonical.md, section 6b), and attention with a gate behind it in the
// others.
// Threads: used by one thread.
#pragma once

#include <string_view>

#include "base/error.h"
#include "model/state_layers.h"

namespace cairn::model {

// Which head of keys a head of values has: as many that follow one another share one, or heads of
// keys take turns.
enum class KeyHeads { kFollow, kTakeTurns };

class DeltaBuilder : public StateBuilder {
 public:
  using StateBuilder::StateBuilder;

  // attn_qkv makes queries, keys and values, attn_gate the gates (or ssm_in all of these, by heads
  // of keys), ssm_beta and ssm_alpha shares and time steps (or ssm_ba both, by heads of keys). In
  // the sizes heads are those of the values, groups those of queries and keys.
  Value DeltaNet(Value x, const Mamba2Sizes& m, KeyHeads order);
  // Each head of attn_q makes its query, then its gate.
  Value GatedAttention(Value x);

 private:
  struct QkvAndGate {
    Value qkv, gate;
  };
  QkvAndGate MakeQkvAndGate(Value x, const Mamba2Sizes& m);
  struct ShareAndStep {
    Value share, step;
  };
  ShareAndStep MakeShareAndStep(Value x, const Mamba2Sizes& m);
};

// The whole program of such a model, with experts where the file has them.
[[nodiscard]] Result<program::Program> BuildDeltaNets(const Gguf& gguf, std::string_view name,
                                                      KeyHeads order);

}  // namespace cairn::model
