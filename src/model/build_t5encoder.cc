// SPDX-License-Identifier: Apache-2.0
// The encoder of T5: scores by relative position, which all layers take from the first; queries
// that are not scaled; RMS norms before each half of a layer; a feed-forward with relu, or gated
// with gelu.
#include <fmt/format.h>

#include <string>

#include "model/architectures.h"
#include "model/encoder.h"

namespace cairn::model {

Result<program::Program> BuildT5Encoder(const Gguf& gguf) {
  const HyperParameters h(gguf, "t5encoder");
  Decoder m = OR_RETURN(ReadDecoderWithoutRotary(h, NormKind::kRms));
  const int buckets = OR_RETURN(h.IntOr("attention.relative_buckets_count", 32, 4, 1024));
  if (buckets % 4 != 0) {
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("{} buckets of relative positions, a multiple of 4 is supported", buckets));
  }
  const GgufCatalog catalog(gguf);
  EncoderBuilder b(catalog, m);
  using program::Value;
  const program::KvLayer kv{.heads = m.kv_heads, .head_dim = m.head_dim, .whole = true};
  const std::string relative = "enc.blk.0.attn_rel_b.weight";
  if (b.RowsOfWeight(relative) != buckets) {
    return Fail(ErrorCode::kCorrupt, fmt::format("tensor '{}' has {} rows, {} were expected",
                                                 relative, b.RowsOfWeight(relative), buckets));
  }
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const auto name = [l](const char* part) {
      return fmt::format("enc.blk.{}.{}.weight", l, part);
    };
    Value n = b.RmsNorm(x, name("attn_norm"), m.epsilon);
    const Value seen =
        b.Attend(b.Matmul(n, name("attn_q")), b.Matmul(n, name("attn_k")),
                 b.Matmul(n, name("attn_v")), kv, m.heads, 1, {.relative = relative});
    x = b.Add(x, b.Matmul(seen, name("attn_o")));
    n = b.RmsNorm(x, name("ffn_norm"), m.epsilon);
    const Value up = b.Matmul(n, name("ffn_up"));
    const Value f = b.Has(name("ffn_gate"))
                        ? b.Gate(kernels::Activation::kGelu, b.Matmul(n, name("ffn_gate")), up)
                        : b.Activate(kernels::Activation::kRelu, up);
    x = b.Add(x, b.Matmul(f, name("ffn_down")));
  }
  b.SetLayer(-1);
  return b.FinishHidden(b.RmsNorm(x, "enc.output_norm.weight", m.epsilon));
}

}  // namespace cairn::model
