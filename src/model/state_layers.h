// SPDX-License-Identifier: Apache-2.0
// The blocks of models with states: Mamba, Mamba 2, short convolutions, and those that have some
// layers of them. Gated delta nets: delta_net.h.
// Threads: used by one thread.
#pragma once

#include <functional>

#include "base/error.h"
#include "model/decoder.h"

namespace cairn::model {

// Sizes of a model whose layers all have states and no heads: `heads` and what belongs to them are
// not set.
[[nodiscard]] Result<Decoder> ReadStateDecoder(const HyperParameters& h);

// Mamba 2: heads of channels with a time step and a rate each.
struct Mamba2Sizes {
  int inner;   // channels of all heads
  int heads;   // 'ssm.time_step_rank', as files have it
  int size;    // of the state of a channel
  int groups;  // of heads that share b and c
};
[[nodiscard]] Result<Mamba2Sizes> ReadMamba2(const HyperParameters& h);

// Mamba: every channel has its time step, of `rank` values that all share, and its rates.
struct MambaSizes {
  int inner;
  int size;
  int rank;
  bool bare_norms;  // of time steps, b and c, without weights (Falcon Mamba)
};
[[nodiscard]] Result<MambaSizes> ReadMamba(const Gguf& gguf, const HyperParameters& h);

class StateBuilder : public DecoderBuilder {
 public:
  using DecoderBuilder::DecoderBuilder;

  // The current layer's ssm_in, ssm_conv1d, ssm_a and so on, up to ssm_out.
  Value Mamba2(Value x, const Mamba2Sizes& m);
  Value Mamba(Value x, const MambaSizes& m);
  // shortconv.in_proj makes a gate before the convolution, one behind it and what they are of.
  Value ShortConvolution(Value x);
  // A whole program of `layers` that are `state` of their norm and nothing else.
  [[nodiscard]] Result<program::Program> StatesAlone(int layers,
                                                     const std::function<Value(Value)>& state);

 protected:
  // ssm_conv1d with its bias, then silu.
  Value ConvolvedSilu(Value x);
  // A name without an ending.
  std::string LayerTensor(std::string_view name) const;

 private:
  // Rows of the layer's weight.
  Value Part(Value x, std::string_view name, int first, int count) {
    return Matmul(x, {LayerWeight(name), first, count});
  }
};

}  // namespace cairn::model
