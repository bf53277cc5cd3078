#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a model with experts whose weights are drawn by lot, for measuring: the shape of Qwen3-30B-A3B
with 12 layers and 64 experts in place of 48 and 128, all matrices in Q4_K; 2.2 GB.

Usage: scripts/setup reference && .venv-reference/bin/python scripts/reference/make_random_experts.py \\
           FILE.gguf [LAYERS [EXPERTS]]
What it says is noise; its logits are finite and its rows choose experts about evenly.
"""
import sys

import gguf
import numpy as np
from make_architectures import write_vocabulary

WIDTH, HEADS, KV_HEADS, HEAD_DIM, USED, FORWARD, ROWS = 2048, 32, 4, 128, 8, 768, 32768
BLOCK_VALUES, BLOCK_BYTES = 256, 144  # of Q4_K


def main() -> int:
    if not 2 <= len(sys.argv) <= 4:
        print(__doc__, file=sys.stderr)
        return 2
    layers, experts = ([int(x) for x in sys.argv[2:]] + [12, 64][len(sys.argv) - 2:])
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(sys.argv[1], "qwen3moe")

    def q4_k(name: str, *shape: int) -> None:
        blocks = int(np.prod(shape)) // BLOCK_VALUES
        stored = random.integers(0, 256, (blocks, BLOCK_BYTES), dtype=np.uint8)
        # The two scales of a block, so that products keep values around 1.
        spread = 1 / np.sqrt(shape[-1])
        stored[:, :4] = np.array([spread / 200, spread / 30], dtype=np.float16).view(np.uint8)
        bytes_of_row = shape[-1] // BLOCK_VALUES * BLOCK_BYTES
        writer.add_tensor(name, stored.reshape(*shape[:-1], bytes_of_row),
                          raw_dtype=gguf.GGMLQuantizationType.Q4_K)

    def f32(name: str, *shape: int, mean: float, spread: float) -> None:
        values = random.standard_normal(shape, dtype=np.float32)
        writer.add_tensor(name, (mean + spread * values).astype(np.float32))

    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_expert_count(experts)
    writer.add_expert_used_count(USED)
    writer.add_expert_feed_forward_length(FORWARD)
    write_vocabulary(writer, 64)
    q4_k("token_embd.weight", ROWS, WIDTH)
    q4_k("output.weight", ROWS, WIDTH)
    f32("output_norm.weight", WIDTH, mean=1, spread=0.1)
    for layer in range(layers):
        of = f"blk.{layer}."
        for norm, size in (("attn_norm", WIDTH), ("ffn_norm", WIDTH), ("attn_q_norm", HEAD_DIM),
                           ("attn_k_norm", HEAD_DIM)):
            f32(of + norm + ".weight", size, mean=1, spread=0.1)
        q4_k(of + "attn_q.weight", HEADS * HEAD_DIM, WIDTH)
        q4_k(of + "attn_k.weight", KV_HEADS * HEAD_DIM, WIDTH)
        q4_k(of + "attn_v.weight", KV_HEADS * HEAD_DIM, WIDTH)
        q4_k(of + "attn_output.weight", WIDTH, HEADS * HEAD_DIM)
        f32(of + "ffn_gate_inp.weight", experts, WIDTH, mean=0, spread=0.03)
        q4_k(of + "ffn_gate_exps.weight", experts, FORWARD, WIDTH)
        q4_k(of + "ffn_up_exps.weight", experts, FORWARD, WIDTH)
        q4_k(of + "ffn_down_exps.weight", experts, WIDTH, FORWARD)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
