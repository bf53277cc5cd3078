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
  return b.StatesAlone(m.layers, [&](program::Value x) { return b.Mamba2(x, sizes); });
}

}  // namespace cairn::model
