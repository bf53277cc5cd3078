// SPDX-License-Identifier: Apache-2.0
// The mamba architecture, and Falcon Mamba, which norms time steps, b and c.
#include "model/architectures.h"
#include "model/state_layers.h"

namespace cairn::model {

Result<program::Program> BuildMamba(const Gguf& gguf) {
  const HyperParameters h(gguf, "mamba");
  const Decoder m = OR_RETURN(ReadStateDecoder(h));
  const MambaSizes sizes = OR_RETURN(ReadMamba(gguf, h));
  const GgufCatalog catalog(gguf);
  StateBuilder b(catalog, m);
  program::Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    x = b.Add(x, b.Mamba(b.LayerRmsNorm(x, "attn_norm"), sizes));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
