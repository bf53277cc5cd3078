# SPDX-License-Identifier: Apache-2.0
"""transformers' own model code over the values of a GGUF file: the outside implementation.

The GGUF file is read with the `gguf` package and dequantised by it; the configuration is built from
the file's metadata; only the model code is transformers'. Its own GGUF loader is not used, since
what it does with a file changes from version to version. Two conversions are undone:
- llama: the rows of attn_q and attn_k are stored with rotated pairs side by side, transformers wants
  the two halves of a head;
- gemma3: norms are stored with 1 added, transformers adds it itself.
Matmuls run in double precision; transformers computes norms and softmax in float32 whatever the
type of the model is, so logits are good to about 1e-5.
"""
from dataclasses import dataclass

import numpy as np
import torch
import transformers
from gguf import GGUFReader
from gguf.quants import dequantize

GLOBAL_EVERY = 6  # Gemma 3: each sixth layer sees everything (its report, section 2)
LOCAL_ROPE_BASE = 10_000.0  # Gemma 3: rotary base of the layers with a window

PER_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_norm": "post_attention_layernorm",
}
GEMMA_PER_LAYER = {
    "ffn_norm": "pre_feedforward_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}


@dataclass
class Outside:
    model: torch.nn.Module
    begin: int | None  # the token every text starts with, if the model wants one

    @torch.no_grad()
    def logits(self, tokens: list[int]) -> np.ndarray:
        """Logits of every position, float64 [positions, vocabulary]."""
        return self.model(torch.tensor([tokens])).logits[0].double().numpy()

    @torch.no_grad()
    def continue_greedily(self, tokens: list[int], count: int) -> list[int]:
        more = list(tokens)
        for _ in range(count):
            more.append(int(self.logits(more)[-1].argmax()))
        return more[len(tokens):]


def _halves_from_pairs(weight: np.ndarray, heads: int) -> np.ndarray:
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _config(arch: str, get, vocabulary: int):
    common = dict(
        vocab_size=vocabulary,
        hidden_size=get("embedding_length"),
        intermediate_size=get("feed_forward_length"),
        num_hidden_layers=get("block_count"),
        num_attention_heads=get("attention.head_count"),
        num_key_value_heads=get("attention.head_count_kv"),
        max_position_embeddings=get("context_length"),
        rms_norm_eps=get("attention.layer_norm_rms_epsilon"),
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    base = get("rope.freq_base")
    if arch == "llama":
        rope = {"rope_type": "default", "rope_theta": base}
        return transformers.LlamaConfig(**common, rope_parameters=rope)
    if arch == "gemma3":
        layers = get("block_count")
        return transformers.Gemma3TextConfig(
            **common,
            head_dim=get("attention.key_length"),
            query_pre_attn_scalar=get("attention.key_length"),
            sliding_window=get("attention.sliding_window"),
            layer_types=["full_attention" if (i + 1) % GLOBAL_EVERY == 0 else "sliding_attention"
                         for i in range(layers)],
            rope_parameters={
                "full_attention": {"rope_type": "default", "rope_theta": base},
                "sliding_attention": {"rope_type": "default", "rope_theta": LOCAL_ROPE_BASE},
            },
        )
    raise SystemExit(f"no outside model for architecture {arch!r}; llama and gemma3 are known")


def _name_of(tensor: str, arch: str) -> str:
    if tensor == "token_embd.weight":
        return "model.embed_tokens.weight"
    if tensor == "output_norm.weight":
        return "model.norm.weight"
    _, layer, kind, _ = tensor.split(".")
    table = PER_LAYER | (GEMMA_PER_LAYER if arch == "gemma3" else {})
    return f"model.layers.{layer}.{table[kind]}.weight"


def load(path: str) -> Outside:
    reader = GGUFReader(path)

    def field(name):
        return reader.fields[name].contents() if name in reader.fields else None

    arch = field("general.architecture")
    tensors = {t.name: t for t in reader.tensors}
    embedding = tensors["token_embd.weight"]
    config = _config(arch, lambda name: field(f"{arch}.{name}"), int(embedding.shape[1]))
    kind = transformers.LlamaForCausalLM if arch == "llama" else transformers.Gemma3ForCausalLM
    state = {}
    for name, tensor in tensors.items():
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
        values = values.reshape(tuple(int(n) for n in reversed(tensor.shape)))
        if arch == "llama" and ".attn_q." in name:
            values = _halves_from_pairs(values, config.num_attention_heads)
        if arch == "llama" and ".attn_k." in name:
            values = _halves_from_pairs(values, config.num_key_value_heads)
        if arch == "gemma3" and name.endswith("norm.weight"):
            values = values - 1.0
        state[_name_of(name, arch)] = torch.from_numpy(np.ascontiguousarray(values))
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    model = kind(config).eval()
    torch.set_default_dtype(previous)
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or [m for m in missing if m != "lm_head.weight"]:
        raise SystemExit(f"{path}: transformers misses {missing} and does not know {unexpected}")
    model.tie_weights()
    begin = field("tokenizer.ggml.bos_token_id") if field("tokenizer.ggml.add_bos_token") else None
    return Outside(model, begin)


def tokenize(path: str, text: bytes) -> list[int]:
    """Token ids as llama.cpp makes them, with the beginning token where the model wants one."""
    from llama_cpp import Llama

    vocabulary = Llama(model_path=path, vocab_only=True, verbose=False)
    return vocabulary.tokenize(text, add_bos=bool(vocabulary.metadata.get(
        "tokenizer.ggml.add_bos_token", "false") == "true"), special=False)
