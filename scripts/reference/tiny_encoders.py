# SPDX-License-Identifier: Apache-2.0
"""One tiny model of each encoder architecture: its configuration in transformers, and what its GGUF
file says. Entries are those of tiny_architectures.py, with a list of inputs in place of a prompt."""
from dataclasses import dataclass
from typing import Callable

import numpy as np
import transformers as hf
from jina_bert_v2 import JinaBertV2Model
from tiny_architectures import HEADS, Tiny

WIDTH, FORWARD, VOCABULARY, CONTEXT = 64, 96, 64, 192

COMMON = dict(vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=FORWARD,
              num_hidden_layers=2, num_attention_heads=HEADS, max_position_embeddings=CONTEXT,
              pad_token_id=0, type_vocab_size=2)


@dataclass
class Encoder(Tiny):
    # Lengths of the inputs; of a pair: of both texts.
    inputs: tuple = (1, 7, 24, (5, 9), 70)
    scores: bool = False  # the model ends with the scores of pairs, not with rows
    # Names in the file of tensors that gguf's table has no name for.
    rename: Callable = lambda name: None
    join: Callable = lambda tensors: tensors  # several tensors as one


def write_bert(w, c):
    w.add_causal_attention(False)
    w.add_token_type_count(c.type_vocab_size)


def write_nomic(w, c):
    w.add_causal_attention(False)
    w.add_token_type_count(c.type_vocab_size)


def nomic_name(name):
    """transformers' own names, which gguf's table does not have."""
    for end, target in (("q_proj", "attn_q"), ("k_proj", "attn_k"), ("v_proj", "attn_v"),
                        ("o_proj", "attn_output"), ("gate_proj", "ffn_gate"),
                        ("up_proj", "ffn_up"), ("down_proj", "ffn_down"),
                        ("post_attention_layernorm", "attn_output_norm"),
                        ("post_mlp_layernorm", "layer_output_norm")):
        if name.endswith("." + end):
            return f"blk.{name.split('.')[1]}.{target}"
    return None


def write_modern(w, c):
    w.add_causal_attention(False)
    w.add_rope_freq_base(c.rope_parameters["full_attention"]["rope_theta"])
    w.add_rope_freq_base_swa(c.rope_parameters["sliding_attention"]["rope_theta"])
    w.add_rope_dimension_count(c.hidden_size // c.num_attention_heads)
    w.add_sliding_window(c.local_attention)


def jina_name(name):
    """transformers' own names, as for Nomic's."""
    for end, target in (("fc1", "ffn_up"), ("fc2", "ffn_down")):
        if name.endswith("." + end):
            return f"blk.{name.split('.')[1]}.{target}"
    return nomic_name(name)


def jina_v2_name(name):
    end = ".intermediate.gated_layers"
    return f"blk.{name.split('.')[2]}.ffn_up" if name.endswith(end) else None


def halved_gates(tensors):
    """A gate and what it multiplies in two tensors, as some files have them."""
    result = {}
    for name, values in tensors.items():
        if ".ffn_up." in name:
            result[name.replace("ffn_up", "ffn_gate")], values = np.split(values, 2)
        result[name] = values
    return result


def joined_heads(tensors):
    """Queries, keys and values as one tensor, as files have them."""
    result = {}
    for name, values in tensors.items():
        if ".attn_k." in name or ".attn_v." in name:
            continue
        if ".attn_q." in name:
            values = np.concatenate([tensors[name.replace("attn_q", f"attn_{c}")] for c in "qkv"])
            name = name.replace("attn_q", "attn_qkv")
        result[name] = values
    return result


def write_t5(w, c):
    w.add_causal_attention(False)
    w.add_layer_norm_rms_eps(c.layer_norm_epsilon)
    w.add_relative_attn_buckets_count(c.relative_attention_num_buckets)
    w.add_key_length(c.d_kv)
    w.add_value_length(c.d_kv)


def t5_name(name):
    return "token_embd" if name == "encoder.embed_tokens" else None


T5 = dict(vocab_size=VOCABULARY, d_model=WIDTH, d_kv=16, d_ff=FORWARD, num_layers=2, num_heads=HEADS)

ENCODERS = {
    "bert": Encoder("bert", hf.BertModel, hf.BertConfig, {}, write=write_bert, rms=False,
                    common=COMMON),
    "bert_scores": Encoder(
        "bert", hf.BertForSequenceClassification, hf.BertConfig, {"num_labels": 1},
        write=write_bert, rms=False, common=COMMON, scores=True, inputs=((1, 1), (4, 9), (3, 60), (8, 8), (2, 30)),
        rename=lambda name: {"bert.pooler.dense": "cls", "classifier": "cls.output"}.get(name)),
    "nomic_bert": Encoder("nomic-bert", hf.NomicBertModel, hf.NomicBertConfig, {},
                          write=write_nomic, rms=False, common=COMMON, rename=nomic_name,
                          join=joined_heads),
    # Five heads: more than a power of two.
    "jina_bert_v2": Encoder("jina-bert-v2", JinaBertV2Model, hf.BertConfig,
                            {"hidden_size": 80, "num_attention_heads": 5}, write=write_bert,
                            rms=False, common=COMMON, rename=jina_v2_name, join=halved_gates),
    "jina_bert_v2_joined": Encoder("jina-bert-v2", JinaBertV2Model, hf.BertConfig, {},
                                   write=write_bert, rms=False, common=COMMON, rename=jina_v2_name,
                                   inputs=(1, 24, (5, 9))),
    "jina_bert_v3": Encoder("jina-bert-v3", hf.JinaEmbeddingsV3Model, hf.JinaEmbeddingsV3Config, {},
                            write=write_bert, rms=False, common={**COMMON, "type_vocab_size": 1},
                            rename=jina_name, join=joined_heads, inputs=(1, 7, 24, 70)),
    "modern_bert": Encoder("modern-bert", hf.ModernBertModel, hf.ModernBertConfig,
                           {"local_attention": 8, "num_hidden_layers": 4}, write=write_modern,
                           rms=False, inputs=(1, 7, 24, 70, 150),
                           common={k: v for k, v in COMMON.items() if k != "type_vocab_size"}),
    "t5encoder": Encoder("t5encoder", hf.T5EncoderModel, hf.T5Config,
                         {"feed_forward_proj": "gated-gelu"}, write=write_t5, rms=False, common=T5,
                         inputs=(1, 7, 24, 160), rename=t5_name),
    "t5encoder_relu": Encoder("t5encoder", hf.T5EncoderModel, hf.T5Config, {}, write=write_t5,
                              rms=False, common=T5, inputs=(1, 30),
                              rename=t5_name),
}
