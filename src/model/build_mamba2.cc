// SPDX-License-Identifier: Apache-2.0
// The mamba2 architecture: layers that are a state each, and nothing else.
#include "model/architectures.h"
#include "model/state_layers.h"

namespace cairn::model {

Result<program::Program> BuildMamba2(const Gguf& gguf) {
  const HyperParameters h(gguf, "mamba2");
  const Decoder m = OR_RETURN(ReadStateDecoder(h));
  const Mamba2Sizes sizes = OR_RETURN(ReadMamba2(h));
  const GgufCatalog catalog(gguf);
  StateBuilder b(catalog, m);
  program::Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    x = b.Add(x, b.Mamba2(b.LayerRmsNorm(x, "attn_norm"), sizes));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
