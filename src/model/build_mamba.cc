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
  return b.StatesAlone(m.layers, [&](program::Value x) { return b.Mamba(x, sizes); });
}

}  // namespace cairn::model
