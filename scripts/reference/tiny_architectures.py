# SPDX-License-Identifier: Apache-2.0
"""One tiny model of each architecture: its configuration in transformers, and what its GGUF file says.

Every entry is a Tiny: `arch` is the file's architecture, `model` builds transformers' own model, and
`write` adds the metadata beside the common keys. `tensors` turns transformers' weights into those of
the file where they differ in more than their names, as llama.cpp's converter does: rows of queries
and keys permuted, heads sorted by queries, keys and values, norms with 1 added.
"""
import math
import re
from dataclasses import dataclass, field
from typing import Callable

import numpy as np
import transformers as hf

WIDTH, HEADS, KV_HEADS, HEAD_DIM, FORWARD, VOCABULARY, CONTEXT = 64, 4, 2, 16, 96, 64, 256
WINDOW = 6

COMMON = dict(
    vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=FORWARD, num_hidden_layers=2,
    num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, max_position_embeddings=CONTEXT,
    pad_token_id=None, bos_token_id=0, eos_token_id=1)


def rope(kind="default", base=10000.0, **more):
    return dict(rope_type=kind, rope_theta=base, **more)


def permute(values, heads):
    """Rows of rotary halves to neighbouring pairs, as llama.cpp's converter has them."""
    rows = values.shape[0]
    return (values.reshape(heads, 2, rows // heads // 2, *values.shape[1:]).swapaxes(1, 2)
            .reshape(values.shape))


def permuted(name, values, config):
    if ".q_proj." in name:
        return permute(values, config.num_attention_heads)
    if ".k_proj." in name:
        return permute(values, config.num_key_value_heads)
    return values


def plus_one(name, values, config):
    return values + 1 if "norm" in name and name.endswith("weight") else values


def by_kind(name, values, config):
    """Heads of [q, k, v] each become all queries, all keys, all values."""
    if "query_key_value" not in name:
        return values
    apart = values.reshape(HEADS, 3, HEAD_DIM, *values.shape[1:])
    return np.concatenate([apart[:, i].reshape(WIDTH, *values.shape[1:]) for i in range(3)])


def falcon_groups(name, values, config):
    if "query_key_value" not in name or not config.new_decoder_architecture:
        return values
    groups = values.reshape(config.num_kv_heads, -1, HEAD_DIM, values.shape[1])
    return np.concatenate([part.reshape(-1, values.shape[1])
                           for part in (groups[:, :-2], groups[:, -2:-1], groups[:, -1:])])


def turned(name, values, config):
    """GPT-2 keeps its matrices the other way round."""
    matrices = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    return values.T if name.endswith(matrices) else values


# What transformers keeps in one tensor and files in two.
IN_TWO = {"experts.gate_up_proj": ("ffn_gate_exps", "ffn_up_exps"),
          "shared_mlp.input_linear.weight": ("ffn_gate_shexp", "ffn_up_shexp")}
NAMES = {"experts.down_proj": "ffn_down_exps.weight",
         "block_sparse_moe.router.weight": "ffn_gate_inp.weight",
         "gate.e_score_correction_bias": "exp_probs_b.bias"}


def experts(name, values, config):
    """The tensors of a file that a tensor of experts becomes; None for another tensor."""
    match = re.fullmatch(r".*\.layers\.(\d+)\.(?:mlp\.|block_sparse_moe\.(?=experts))?(.*)", name)
    if match is None:
        return None
    layer, rest = match.groups()
    if rest in IN_TWO:
        halves = np.split(values, 2, axis=-2)
        return {f"blk.{layer}.{part}.weight": half for part, half in zip(IN_TWO[rest], halves)}
    if rest in NAMES:
        return {f"blk.{layer}.{NAMES[rest]}": values}
    if rest == "shared_expert_gate.weight":
        return {f"blk.{layer}.ffn_gate_inp_shexp.weight": values[0]}
    return None


def experts_apart(name, values, config):
    """Each expert a tensor of its own, as the first files of Mixtral have them."""
    parts = experts(name, values, config)
    if parts is None or "exps" not in next(iter(parts)):
        return parts
    return {part.replace("_exps.", f".{i}."): matrix for part, matrices in parts.items()
            for i, matrix in enumerate(matrices)}


def gpt_oss_experts(name, values, config):
    """Gates and what they multiply take turns there, and matrices lie the other way round."""
    match = re.fullmatch(r".*\.layers\.(\d+)\.(?:mlp\.|self_attn\.)(.*)", name)
    if match is None:
        return None
    layer, rest = match.groups()
    kind = "bias" if rest.endswith("_bias") else "weight"
    if kind == "weight" and rest.startswith("experts."):
        values = values.swapaxes(1, 2)
    if rest.startswith("experts.gate_up_proj"):
        return {f"blk.{layer}.ffn_gate_exps.{kind}": values[:, ::2],
                f"blk.{layer}.ffn_up_exps.{kind}": values[:, 1::2]}
    if rest.startswith("experts.down_proj"):
        return {f"blk.{layer}.ffn_down_exps.{kind}": values}
    if rest.startswith("router."):
        return {f"blk.{layer}.ffn_gate_inp.{rest.removeprefix('router.')}": values}
    if rest == "sinks":
        return {f"blk.{layer}.attn_sinks.weight": values}
    return None


def dbrx_experts(name, values, config):
    match = re.fullmatch(r".*\.blocks\.(\d+)\.ffn\.(?:experts\.mlp\.)?(.*)", name)
    if match is None:
        return None
    layer, rest = match.groups()
    if rest == "router.layer.weight":
        return {f"blk.{layer}.ffn_gate_inp.weight": values}
    apart = values.reshape(config.ffn_config.moe_num_experts, -1, values.shape[1])
    target = {"w1": "ffn_gate_exps", "v1": "ffn_up_exps", "w2": "ffn_down_exps"}[rest]
    return {f"blk.{layer}.{target}.weight": apart.swapaxes(1, 2) if rest == "w2" else apart}


def llama4_experts(name, values, config):
    match = re.fullmatch(r".*\.layers\.(\d+)\.feed_forward\.experts\.(gate_up|down)_proj", name)
    if match is None:
        return None
    values = values.swapaxes(1, 2)
    if match[2] == "down":
        return {f"blk.{match[1]}.ffn_down_exps.weight": values}
    gate, up = np.split(values, 2, axis=1)
    return {f"blk.{match[1]}.ffn_gate_exps.weight": gate,
            f"blk.{match[1]}.ffn_up_exps.weight": up}


def latent_heads(name, values, config):
    """What makes keys and values of a latent, apart and for keys the other way round."""
    match = re.fullmatch(r".*\.layers\.(\d+)\.self_attn\.kv_b_proj\.weight", name)
    if match is None:
        return experts(name, values, config)
    apart = values.reshape(config.num_attention_heads, -1, config.kv_lora_rank)
    keys = apart[:, :config.qk_nope_head_dim].swapaxes(1, 2)
    return {f"blk.{match[1]}.attn_k_b.weight": keys,
            f"blk.{match[1]}.attn_v_b.weight": apart[:, config.qk_nope_head_dim:]}


def states(name, values, config):
    """What files keep of a state otherwise: rates instead of their logarithms, no dimension of 1."""
    match = re.fullmatch(r".*\.layers\.(\d+)\.(?:mixer|mamba)\."
                         r"(A_log|D|dt_bias|conv1d\.weight|norm\.weight)", name)
    if match is None:
        return experts(name, values, config)
    layer, rest = match.groups()
    if rest == "conv1d.weight":
        return {f"blk.{layer}.ssm_conv1d.weight": values[:, 0]}
    if rest == "dt_bias":
        return {f"blk.{layer}.ssm_dt.bias": values}
    if rest == "norm.weight":
        groups = getattr(config, "n_groups", None) or config.mamba_n_groups
        return {f"blk.{layer}.ssm_norm.weight": values.reshape(groups, -1)}
    heads = any(hasattr(config, key) for key in ("n_groups", "mamba_n_groups"))
    values = values.reshape(-1, 1) if heads else values
    return {f"blk.{layer}.ssm_d": values} if rest == "D" else {
        f"blk.{layer}.ssm_a": -np.exp(values)}


def jamba_parts(name, values, config):
    return states(name.replace(".feed_forward.experts", ".mlp.experts"), values, config)


def short_convolutions(name, values, config):
    match = re.fullmatch(r".*\.layers\.(\d+)\.conv\.conv\.weight", name)
    return {f"blk.{match[1]}.shortconv.conv.weight": values[:, 0]} if match else None


def delta_nets_joined(name, values, config):
    """What makes queries, keys, values and gates stays as it is: by heads of keys."""
    match = re.fullmatch(r".*\.layers\.(\d+)\.linear_attn\."
                         r"(A_log|dt_bias|conv1d\.weight|norm\.weight)", name)
    if match is None:
        return experts(name, values, config)
    target, value = {"A_log": ("ssm_a", -np.exp(values)), "dt_bias": ("ssm_dt.bias", values),
                     "conv1d.weight": ("ssm_conv1d.weight", values.squeeze()),
                     "norm.weight": ("ssm_norm.weight", values)}[match[2]]
    return {f"blk.{match[1]}.{target}": value}


def delta_nets(name, values, config):
    match = re.fullmatch(r".*\.layers\.(\d+)\.linear_attn\.in_proj_qkvz\.weight", name)
    if match is None:
        return delta_nets_joined(name, values, config)
    c = config
    keys = c.linear_key_head_dim
    own = c.linear_value_head_dim * c.linear_num_value_heads // c.linear_num_key_heads
    by_head = values.reshape(c.linear_num_key_heads, 2 * (keys + own), values.shape[1])
    kinds = [kind.reshape(-1, values.shape[1])
             for kind in np.split(by_head, [keys, 2 * keys, 2 * keys + own], axis=1)]
    return {f"blk.{match[1]}.attn_qkv.weight": np.concatenate(kinds[:3]),
            f"blk.{match[1]}.attn_gate.weight": kinds[3]}


def by_turns(values, config, axis=0):
    """Heads of values in the order in which heads of keys take turns."""
    keys, heads = config.linear_num_key_heads, config.linear_num_value_heads
    shape = values.shape
    apart = values.reshape(*shape[:axis], keys, heads // keys, shape[axis] // heads,
                           *shape[axis + 1:])
    return apart.swapaxes(axis, axis + 1).reshape(shape)


def delta_nets_by_turns(name, values, config):
    """Qwen3.5's files have heads of keys take turns; shares and time steps are made apart."""
    match = re.fullmatch(r".*\.layers\.(\d+)\.linear_attn\."
                         r"(in_proj_\w+\.weight|out_proj\.weight|A_log|dt_bias|conv1d\.weight)",
                         name)
    if match is None:
        return delta_nets_joined(name, values, config)
    layer, rest = match.groups()
    keys = 2 * config.linear_num_key_heads * config.linear_key_head_dim

    def behind_keys():
        return np.concatenate([values[:keys], by_turns(values[keys:], config)])

    target, value = {
        "in_proj_qkv.weight": lambda: ("attn_qkv.weight", behind_keys()),
        "conv1d.weight": lambda: ("ssm_conv1d.weight", behind_keys().squeeze()),
        "in_proj_z.weight": lambda: ("attn_gate.weight", by_turns(values, config)),
        "in_proj_b.weight": lambda: ("ssm_beta.weight", by_turns(values, config)),
        "in_proj_a.weight": lambda: ("ssm_alpha.weight", by_turns(values, config)),
        "A_log": lambda: ("ssm_a", -np.exp(by_turns(values, config))),
        "dt_bias": lambda: ("ssm_dt.bias", by_turns(values, config)),
        "out_proj.weight": lambda: ("ssm_out.weight", by_turns(values, config, 1)),
    }[rest]()
    return {f"blk.{layer}.{target}": value}


def gemma3n_parts(name, values, config):
    match = re.fullmatch(r".*\.layers\.(\d+)\.altup\.correct_output_scale", name)
    return {f"blk.{match[1]}.altup_correct_scale.weight": values} if match else None


def gemma4_parts(name, values, config):
    match = re.fullmatch(r".*\.layers\.(\d+)\."
                         r"(router\.scale|router\.per_expert_scale|layer_scalar)", name)
    if match is None:
        return experts(name, values, config)
    target = {"router.scale": "ffn_gate_inp.scale", "layer_scalar": "layer_output_scale.weight",
              "router.per_expert_scale": "ffn_down_exps.scale"}[match[2]]
    return {f"blk.{match[1]}.{target}": values}


def dense_hybrid(name, values, config):
    """Granite's shared expert is the feed-forward where there are no others."""
    match = re.fullmatch(r".*\.layers\.(\d+)\.shared_mlp\.(input|output)_linear\.weight", name)
    if match is None:
        return states(name, values, config)
    if match[2] == "output":
        return {f"blk.{match[1]}.ffn_down.weight": values}
    gate, up = np.split(values, 2)
    return {f"blk.{match[1]}.ffn_gate.weight": gate, f"blk.{match[1]}.ffn_up.weight": up}


@dataclass
class Tiny:
    arch: str
    model: Callable
    config: Callable
    options: dict
    write: Callable = lambda w, c: None
    tensors: Callable = lambda name, values, config: values
    rms: bool = True
    norm_is_added: bool = False  # transformers adds 1 to the weights of norms
    extra: Callable = lambda c: {}  # further tensors of the file
    common: dict = field(default_factory=lambda: COMMON)
    prompt: int = 24
    apart: Callable = experts  # a tensor that becomes others of other names, or None
    more_layers: int = 0  # that the file says it has beside those of the model
    gains: dict = field(default_factory=dict)  # by parts of names: factors of the drawn weights

    def make_config(self):
        return self.config(**{**self.common, **self.options})


def llama3_factors(config):
    p = config.rope_parameters
    freqs = 1 / p["rope_theta"] ** (np.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    low, high, old = p["low_freq_factor"], p["high_freq_factor"], p["original_max_position_embeddings"]
    factors = []
    for freq in freqs:
        wave = 2 * math.pi / freq
        if wave < old / high:
            factors.append(1.0)
        elif wave > old / low:
            factors.append(p["factor"])
        else:
            smooth = (old / wave - low) / (high - low)
            factors.append(1 / ((1 - smooth) / p["factor"] + smooth))
    return {"rope_freqs.weight": np.array(factors, dtype=np.float32)}


LONG = [1.0 + 0.5 * i for i in range(HEAD_DIM // 2)]
SHORT = [1.0 + 0.1 * i for i in range(HEAD_DIM // 2)]


def write_phi3(w, c):
    w.add_sliding_window(c.sliding_window or 0)
    if c.rope_parameters["rope_type"] == "longrope":
        old = c.rope_parameters["original_max_position_embeddings"]
        w.add_rope_scaling_orig_ctx_len(old)
        w.add_rope_scaling_attn_factors(
            math.sqrt(1 + math.log(c.max_position_embeddings / old) / math.log(old)))


def write_granite(w, c):
    w.add_attention_scale(c.attention_multiplier)
    w.add_embedding_scale(c.embedding_multiplier)
    w.add_residual_scale(c.residual_multiplier)
    w.add_logit_scale(c.logits_scaling)


def write_experts(w, c):
    w.add_expert_count(getattr(c, "num_experts", None) or c.num_local_experts)
    w.add_expert_used_count(c.num_experts_per_tok)
    if hasattr(c, "moe_intermediate_size"):
        w.add_expert_feed_forward_length(c.moe_intermediate_size)


def write_gpt_oss(w, c):
    write_experts(w, c)
    write_yarn(w, c)
    w.add_sliding_window(c.sliding_window)


def write_dbrx(w, c):
    w.add_expert_count(c.ffn_config.moe_num_experts)
    w.add_expert_used_count(c.ffn_config.moe_top_k)
    w.add_clamp_kqv(c.attn_config.clip_qkv)


def write_glm4moe(w, c):
    from gguf import ExpertGatingFuncType
    write_experts(w, c)
    w.add_expert_gating_func(ExpertGatingFuncType.SIGMOID)
    w.add_leading_dense_block_count(c.first_k_dense_replace)
    w.add_expert_shared_count(c.n_shared_experts)
    w.add_expert_weights_scale(c.routed_scaling_factor)
    w.add_expert_weights_norm(c.norm_topk_prob)
    w.add_nextn_predict_layers(1)


def write_llama4(w, c):
    write_experts(w, c)
    w.add_sliding_window(c.attention_chunk_size)
    w.add_attn_temperature_scale(c.attn_scale)
    w.add_attn_temperature_length(c.floor_scale)


def write_latent(w, c, apart):
    write_experts(w, c)
    own, values = c.qk_nope_head_dim + c.qk_rope_head_dim, c.v_head_dim
    if apart:
        w.add_key_length(c.kv_lora_rank + c.qk_rope_head_dim)
        w.add_value_length(c.kv_lora_rank)
        w.add_key_length_mla(own)
        w.add_value_length_mla(values)
    else:
        w.add_key_length(own)
        w.add_value_length(values)
    w.add_kv_lora_rank(c.kv_lora_rank)
    if c.q_lora_rank is not None:
        w.add_q_lora_rank(c.q_lora_rank)
    w.add_leading_dense_block_count(c.first_k_dense_replace)
    w.add_expert_shared_count(c.n_shared_experts)
    w.add_expert_weights_scale(c.routed_scaling_factor)
    if c.n_group is not None:
        w.add_expert_group_count(c.n_group)
        w.add_expert_group_used_count(c.topk_group)


def write_deepseek3(w, c):
    from gguf import ExpertGatingFuncType
    write_latent(w, c, True)
    write_yarn(w, c)
    w.add_rope_scaling_yarn_log_mul(0.1 * c.rope_parameters["mscale_all_dim"])
    w.add_expert_gating_func(ExpertGatingFuncType.SIGMOID)
    w.add_expert_weights_norm(c.norm_topk_prob)


def write_mamba(w, c):
    w.add_ssm_conv_kernel(c.conv_kernel)
    w.add_ssm_inner_size(c.intermediate_size)
    w.add_ssm_state_size(c.state_size)
    w.add_ssm_time_step_rank(c.time_step_rank)


def write_mamba2(w, c):
    w.add_ssm_conv_kernel(c.conv_kernel)
    w.add_ssm_inner_size(c.expand * c.hidden_size)
    w.add_ssm_state_size(c.state_size)
    w.add_ssm_time_step_rank(c.num_heads)
    w.add_ssm_group_count(c.n_groups)


def write_granite_hybrid(w, c):
    write_granite(w, c)
    if c.num_local_experts:
        write_experts(w, c)
        w.add_expert_shared_feed_forward_length(c.shared_intermediate_size)
    else:
        w.add_feed_forward_length(c.shared_intermediate_size)
    w.add_ssm_conv_kernel(c.mamba_d_conv)
    w.add_ssm_inner_size(c.mamba_expand * c.hidden_size)
    w.add_ssm_state_size(c.mamba_d_state)
    w.add_ssm_time_step_rank(c.mamba_n_heads)
    w.add_ssm_group_count(c.mamba_n_groups)
    w.add_head_count_kv(heads_by_layer(c))
    w.add_rope_scaling_finetuned(False)


def heads_by_layer(c):
    return [c.num_key_value_heads if kind == "full_attention" else 0 for kind in c.layer_types]


def multiplied(name, values, config):
    """The multipliers of Falcon H1, which its files have in the weights."""
    c = config
    by = {"embed_tokens": c.embedding_multiplier, "lm_head": c.lm_head_multiplier,
          "q_proj": c.attention_in_multiplier, "v_proj": c.attention_in_multiplier,
          "k_proj": c.attention_in_multiplier * c.key_multiplier,
          "o_proj": c.attention_out_multiplier, "gate_proj": c.mlp_multipliers[0],
          "down_proj": c.mlp_multipliers[1], "mamba.out_proj": c.ssm_out_multiplier}
    if "mamba.in_proj" in name:
        state = c.mamba_n_groups * c.mamba_d_state
        sizes = [c.mamba_d_ssm, c.mamba_d_ssm, state, state, c.mamba_n_heads]
        return values * c.ssm_in_multiplier * np.repeat(c.ssm_multipliers, sizes)[:, None]
    return values * next((factor for part, factor in by.items() if part in name), 1.0)


def write_falcon_h1(w, c):
    w.add_ssm_conv_kernel(c.mamba_d_conv)
    w.add_ssm_inner_size(c.mamba_d_ssm)
    w.add_ssm_state_size(c.mamba_d_state)
    w.add_ssm_time_step_rank(c.mamba_n_heads)
    w.add_ssm_group_count(c.mamba_n_groups)


def write_jamba(w, c):
    write_experts(w, c)
    w.add_ssm_conv_kernel(c.mamba_d_conv)
    w.add_ssm_inner_size(c.mamba_expand * c.hidden_size)
    w.add_ssm_state_size(c.mamba_d_state)
    w.add_ssm_time_step_rank(c.mamba_dt_rank)
    w.add_head_count_kv(heads_by_layer(c))


def write_lfm2(w, c):
    w.add_shortconv_l_cache(c.conv_L_cache)
    w.add_head_count_kv(heads_by_layer(c))


def write_qwen3next(w, c):
    if hasattr(c, "num_experts"):
        write_experts(w, c)
        w.add_expert_shared_feed_forward_length(c.shared_expert_intermediate_size)
    w.add_ssm_conv_kernel(c.linear_conv_kernel_dim)
    w.add_ssm_inner_size(c.linear_value_head_dim * c.linear_num_value_heads)
    w.add_ssm_state_size(c.linear_key_head_dim)
    w.add_ssm_time_step_rank(c.linear_num_value_heads)
    w.add_ssm_group_count(c.linear_num_key_heads)


def write_minicpm(w, c):
    w.add_embedding_scale(c.embedding_multiplier)
    w.add_residual_scale(c.residual_multiplier)
    w.add_logit_scale(c.logits_scaling)


def write_gemma2(w, c):
    w.add_sliding_window(c.sliding_window)
    w.add_attn_logit_softcapping(c.attn_logit_softcapping)
    w.add_final_logit_softcapping(c.final_logit_softcapping)


def write_gemma3(w, c):
    w.add_sliding_window(c.sliding_window)
    full = c.rope_parameters["full_attention"]
    w.add_rope_freq_base(full["rope_theta"])
    w.add_rope_scaling_type(hf_scaling("linear"))
    w.add_rope_scaling_factor(full["factor"])


def global_layer(c):
    return c.per_layer_config[c.layer_types.index("full_attention")]


def write_gemma4(w, c):
    w.add_sliding_window(c.sliding_window)
    w.add_sliding_window_pattern([kind == "sliding_attention" for kind in c.layer_types])
    w.add_shared_kv_layers(c.num_kv_shared_layers)
    w.add_embedding_length_per_layer_input(c.hidden_size_per_layer_input)
    w.add_key_length(global_layer(c).head_dim)
    w.add_value_length(global_layer(c).head_dim)
    w.add_key_length_swa(c.head_dim)
    w.add_value_length_swa(c.head_dim)
    w.add_head_count_kv([c.per_layer_config[i].num_key_value_heads
                         for i in range(c.num_hidden_layers)])
    w.add_rope_dimension_count(global_layer(c).head_dim)
    w.add_rope_dimension_count_swa(c.head_dim)
    w.add_rope_freq_base(c.rope_parameters["full_attention"]["rope_theta"])
    w.add_rope_freq_base_swa(c.rope_parameters["sliding_attention"]["rope_theta"])
    if c.final_logit_softcapping:
        w.add_final_logit_softcapping(c.final_logit_softcapping)
    if c.enable_moe_block:
        w.add_expert_count(c.num_experts)
        w.add_expert_used_count(c.top_k_experts)
        w.add_expert_feed_forward_length(c.moe_intermediate_size)


def write_gemma3n(w, c):
    from statistics import NormalDist
    w.add_sliding_window(c.sliding_window)
    w.add_sliding_window_pattern([kind == "sliding_attention" for kind in c.layer_types])
    w.add_shared_kv_layers(c.num_kv_shared_layers)
    w.add_embedding_length_per_layer_input(c.hidden_size_per_layer_input)
    w.add_altup_active_idx(c.altup_active_idx)
    w.add_altup_num_inputs(c.altup_num_inputs)
    w.add_activation_sparsity_scale([NormalDist().inv_cdf(share) if share > 0 else -math.inf
                                     for share in c.activation_sparsity_pattern])
    w.add_rope_freq_base(c.rope_parameters["full_attention"]["rope_theta"])
    w.add_final_logit_softcapping(c.final_logit_softcapping)


def pairs_that_rotate(c):
    """Gemma 4 rotates a part of the pairs of its global heads; files say so by divisors."""
    pairs = global_layer(c).head_dim // 2
    rotate = int(pairs * c.rope_parameters["full_attention"]["partial_rotary_factor"])
    return {"rope_freqs.weight": np.float32([1.0] * rotate + [1e30] * (pairs - rotate))}


def write_yarn(w, c):
    w.add_rope_scaling_type(hf_scaling("yarn"))
    w.add_rope_scaling_factor(c.rope_parameters["factor"])
    w.add_rope_scaling_orig_ctx_len(c.rope_parameters["original_max_position_embeddings"])


def hf_scaling(name):
    from gguf import RopeScalingType
    return RopeScalingType(name)


def write_linear(w, c):
    w.add_rope_scaling_type(hf_scaling("linear"))
    w.add_rope_scaling_factor(c.rope_parameters["factor"])


def write_mpt(w, c):
    w.add_max_alibi_bias(c.attn_config.alibi_bias_max)
    if c.attn_config.clip_qkv:
        w.add_clamp_kqv(c.attn_config.clip_qkv)


def no_kv_heads(**more):
    return {k: v for k, v in {**COMMON, **more}.items() if k != "num_key_value_heads"}


PARTIAL = rope(partial_rotary_factor=0.5)
GPT2 = dict(vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=2, n_head=HEADS,
            n_inner=FORWARD, bos_token_id=0, eos_token_id=1)
MPT = dict(vocab_size=VOCABULARY, max_seq_len=CONTEXT, d_model=48, n_layers=2, n_heads=3,
           expansion_ratio=1)
BLOOM = dict(vocab_size=VOCABULARY, hidden_size=WIDTH, n_layer=2, n_head=HEADS, bos_token_id=0,
             eos_token_id=1)

DBRX = dict(vocab_size=VOCABULARY, max_seq_len=CONTEXT, d_model=WIDTH, n_layers=2, n_heads=HEADS,
            tie_word_embeddings=False, attn_config=dict(
                kv_n_heads=KV_HEADS, clip_qkv=1.5, rope_theta=5e5),
            ffn_config=dict(hidden_size=WIDTH, ffn_hidden_size=32, moe_num_experts=8, moe_top_k=2))
LATENT = dict(kv_lora_rank=32, qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=16,
              moe_intermediate_size=32, n_shared_experts=1, first_k_dense_replace=1)

MAMBA = dict(vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=2, state_size=16, expand=2,
             conv_kernel=4, pad_token_id=None, bos_token_id=0, eos_token_id=1)
GRANITE_HYBRID = dict(
    num_hidden_layers=4, tie_word_embeddings=True, embedding_multiplier=3.0,
    residual_multiplier=0.4, attention_multiplier=0.1, logits_scaling=1.5,
    shared_intermediate_size=48, position_embedding_type=None, mamba_n_heads=8, mamba_d_head=16,
    mamba_d_state=16, mamba_n_groups=2, mamba_expand=2, mamba_d_conv=4,
    layer_types=["linear_attention", "full_attention", "linear_attention", "linear_attention"])

DELTA_NETS = dict(head_dim=32, linear_num_key_heads=2, linear_num_value_heads=4,
                  rope_parameters=rope(base=1e7, partial_rotary_factor=0.25))
QWEN3_NEXT = dict(tie_word_embeddings=False, num_experts=4, num_experts_per_tok=2,
                  moe_intermediate_size=32, shared_expert_intermediate_size=48, **DELTA_NETS)
DELTA_GAINS = {"mlp.gate.weight": 3.0, "linear_attn.norm": 4.0}

GEMMA4 = dict(num_hidden_layers=4, sliding_window=WINDOW, global_head_dim=32,
              layer_types=["sliding_attention", "full_attention"] * 2,
              vocab_size_per_layer_input=VOCABULARY, rope_parameters=dict(
                  full_attention=rope("proportional", 1e6, partial_rotary_factor=0.25),
                  sliding_attention=rope()))

TINY = {
    "llama": Tiny("llama", hf.LlamaForCausalLM, hf.LlamaConfig,
                  dict(tie_word_embeddings=False, attention_bias=True, rope_parameters=rope()),
                  tensors=permuted),
    "llama3": Tiny("llama", hf.LlamaForCausalLM, hf.LlamaConfig,
                   dict(tie_word_embeddings=True, rope_parameters=rope(
                       "llama3", 500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                       original_max_position_embeddings=32)),
                   tensors=permuted, extra=llama3_factors),
    "llama_linear": Tiny("llama", hf.LlamaForCausalLM, hf.LlamaConfig,
                         dict(tie_word_embeddings=True, rope_parameters=rope("linear", factor=4.0)),
                         write_linear, tensors=permuted),
    "mistral": Tiny("llama", hf.MistralForCausalLM, hf.MistralConfig,
                    dict(tie_word_embeddings=False, sliding_window=None, head_dim=32,
                         rope_parameters=rope(base=1e6)), tensors=permuted),
    "qwen2": Tiny("qwen2", hf.Qwen2ForCausalLM, hf.Qwen2Config,
                  dict(tie_word_embeddings=True, rope_parameters=rope(base=1e6))),
    "qwen2_yarn": Tiny("qwen2", hf.Qwen2ForCausalLM, hf.Qwen2Config,
                       dict(tie_word_embeddings=True, rope_parameters=rope(
                           "yarn", factor=4.0, original_max_position_embeddings=64)), write_yarn),
    "qwen3": Tiny("qwen3", hf.Qwen3ForCausalLM, hf.Qwen3Config,
                  dict(tie_word_embeddings=False, head_dim=32, rope_parameters=rope(base=1e6))),
    "gemma": Tiny("gemma", hf.GemmaForCausalLM, hf.GemmaConfig,
                  dict(head_dim=32, hidden_activation="gelu_pytorch_tanh", rope_parameters=rope()),
                  tensors=plus_one, norm_is_added=True),
    "gemma2": Tiny("gemma2", hf.Gemma2ForCausalLM, hf.Gemma2Config,
                   dict(head_dim=32, query_pre_attn_scalar=32, sliding_window=WINDOW,
                        attn_logit_softcapping=5.0, final_logit_softcapping=8.0,
                        hidden_activation="gelu_pytorch_tanh", rope_parameters=rope()),
                   write_gemma2, tensors=plus_one, norm_is_added=True),
    "gemma3": Tiny("gemma3", hf.Gemma3ForCausalLM, hf.Gemma3TextConfig,
                   dict(num_hidden_layers=6, head_dim=HEAD_DIM, query_pre_attn_scalar=HEAD_DIM,
                        sliding_window=WINDOW, hidden_activation="gelu_pytorch_tanh",
                        rope_parameters=dict(full_attention=rope("linear", 1e6, factor=8.0),
                                             sliding_attention=rope())),
                   write_gemma3, tensors=plus_one, norm_is_added=True),
    "gemma3n": Tiny("gemma3n", hf.Gemma3nForCausalLM, hf.Gemma3nTextConfig,
                    dict(num_hidden_layers=4, head_dim=HEAD_DIM, num_kv_shared_layers=2,
                         sliding_window=WINDOW, laurel_rank=16, hidden_size_per_layer_input=16,
                         layer_types=["sliding_attention", "full_attention"] * 2,
                         vocab_size_per_layer_input=VOCABULARY, final_logit_softcapping=8.0,
                         activation_sparsity_pattern=[0.8, 0.0, 0.6, 0.0],
                         rope_parameters=dict(full_attention=rope(base=1e6),
                                              sliding_attention=rope())),
                    write_gemma3n, apart=gemma3n_parts,
                    gains={"modality_router": 40.0, "correct_output_scale": 3.0}),
    "gemma4": Tiny("gemma4", hf.Gemma4ForCausalLM, hf.Gemma4TextConfig,
                   dict(head_dim=HEAD_DIM, num_kv_shared_layers=2, use_double_wide_mlp=True,
                        hidden_size_per_layer_input=16, final_logit_softcapping=8.0, **GEMMA4),
                   write_gemma4, apart=gemma4_parts, extra=pairs_that_rotate),
    "gemma4_moe": Tiny("gemma4", hf.Gemma4ForCausalLM, hf.Gemma4TextConfig,
                       dict(head_dim=HEAD_DIM, hidden_size_per_layer_input=0,
                            attention_k_eq_v=True, num_global_key_value_heads=1,
                            enable_moe_block=True, num_experts=4, top_k_experts=2,
                            moe_intermediate_size=32, **GEMMA4),
                       write_gemma4, apart=gemma4_parts, extra=pairs_that_rotate, prompt=12,
                       gains={"router.proj": 20.0, "router.scale": 3.0, "per_expert_scale": 3.0}),
    "phi3": Tiny("phi3", hf.Phi3ForCausalLM, hf.Phi3Config,
                 dict(tie_word_embeddings=False, sliding_window=WINDOW, rope_parameters=rope()),
                 write_phi3),
    "phi3_long": Tiny("phi3", hf.Phi3ForCausalLM, hf.Phi3Config,
                      dict(tie_word_embeddings=False, sliding_window=None,
                           original_max_position_embeddings=16, rope_parameters=rope(
                               "longrope", long_factor=LONG, short_factor=SHORT,
                               original_max_position_embeddings=16)),
                      write_phi3,
                      extra=lambda c: {"rope_factors_long.weight": np.float32(LONG),
                                       "rope_factors_short.weight": np.float32(SHORT)}),
    "smollm3": Tiny("smollm3", hf.SmolLM3ForCausalLM, hf.SmolLM3Config,
                    dict(num_hidden_layers=4, tie_word_embeddings=True, use_sliding_window=False,
                         rope_parameters=rope(base=2e6)), tensors=permuted),
    "granite": Tiny("granite", hf.GraniteForCausalLM, hf.GraniteConfig,
                    dict(tie_word_embeddings=True, embedding_multiplier=3.0, residual_multiplier=0.4,
                         attention_multiplier=0.1, logits_scaling=1.5, rope_parameters=rope()),
                    write_granite, tensors=permuted),
    # MiniCPM is not in transformers; Granite computes the same.
    "minicpm": Tiny("minicpm", hf.GraniteForCausalLM, hf.GraniteConfig,
                    dict(tie_word_embeddings=True, embedding_multiplier=12.0,
                         residual_multiplier=0.7, attention_multiplier=0.25, logits_scaling=2.0,
                         rope_parameters=rope()), write_minicpm, tensors=permuted),
    "olmo2": Tiny("olmo2", hf.Olmo2ForCausalLM, hf.Olmo2Config,
                  dict(tie_word_embeddings=False, rope_parameters=rope(base=5e5))),
    "olmo3": Tiny("olmo2", hf.Olmo3ForCausalLM, hf.Olmo3Config,
                  dict(num_hidden_layers=4, tie_word_embeddings=False, sliding_window=WINDOW,
                       rope_parameters=rope(base=5e5)),
                  lambda w, c: w.add_sliding_window(c.sliding_window)),
    "glm4": Tiny("glm4", hf.Glm4ForCausalLM, hf.Glm4Config,
                 dict(tie_word_embeddings=False, head_dim=32, attention_bias=True,
                      rope_parameters=PARTIAL)),
    "command_r": Tiny("command-r", hf.CohereForCausalLM, hf.CohereConfig,
                      dict(logit_scale=0.7, use_qk_norm=False, rope_parameters=rope()),
                      lambda w, c: w.add_logit_scale(c.logit_scale), rms=False),
    "command_r_plus": Tiny("command-r", hf.CohereForCausalLM, hf.CohereConfig,
                           dict(logit_scale=0.7, use_qk_norm=True, rope_parameters=rope()),
                           lambda w, c: w.add_logit_scale(c.logit_scale), rms=False),
    "cohere2": Tiny("cohere2", hf.Cohere2ForCausalLM, hf.Cohere2Config,
                    dict(num_hidden_layers=4, logit_scale=0.7, sliding_window=WINDOW,
                         rope_parameters=rope()),
                    lambda w, c: (w.add_logit_scale(c.logit_scale),
                                  w.add_sliding_window(c.sliding_window)), rms=False),
    "starcoder2": Tiny("starcoder2", hf.Starcoder2ForCausalLM, hf.Starcoder2Config,
                       dict(tie_word_embeddings=True, sliding_window=None, rope_parameters=rope()),
                       rms=False),
    "gpt2": Tiny("gpt2", hf.GPT2LMHeadModel, hf.GPT2Config, {}, tensors=turned, rms=False,
                 common=GPT2),
    "falcon": Tiny("falcon", hf.FalconForCausalLM, hf.FalconConfig,
                   dict(multi_query=True, parallel_attn=True, ffn_hidden_size=FORWARD,
                        num_kv_heads=1, rope_parameters=rope()),
                   tensors=falcon_groups, rms=False, common=no_kv_heads()),
    "falcon_40b": Tiny("falcon", hf.FalconForCausalLM, hf.FalconConfig,
                       dict(new_decoder_architecture=True, ffn_hidden_size=FORWARD,
                            num_kv_heads=KV_HEADS, rope_parameters=rope()),
                       tensors=falcon_groups, rms=False, common=no_kv_heads()),
    "stablelm": Tiny("stablelm", hf.StableLmForCausalLM, hf.StableLmConfig,
                     dict(tie_word_embeddings=False, use_qkv_bias=True, rope_parameters=PARTIAL),
                     rms=False),
    "stablelm_12b": Tiny("stablelm", hf.StableLmForCausalLM, hf.StableLmConfig,
                         dict(tie_word_embeddings=False, qk_layernorm=True,
                              use_parallel_residual=True, rope_parameters=PARTIAL), rms=False),
    # InternLM2 and EXAONE 3 are not in transformers; Llama computes the same.
    "internlm2": Tiny("internlm2", hf.LlamaForCausalLM, hf.LlamaConfig,
                      dict(tie_word_embeddings=False, rope_parameters=rope(base=1e6)),
                      tensors=permuted),
    "exaone": Tiny("exaone", hf.LlamaForCausalLM, hf.LlamaConfig,
                   dict(tie_word_embeddings=False, rope_parameters=rope(
                       "llama3", 1e6, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                       original_max_position_embeddings=32)), extra=llama3_factors),
    "nemotron": Tiny("nemotron", hf.NemotronForCausalLM, hf.NemotronConfig,
                     dict(tie_word_embeddings=False, hidden_act="relu2", rope_parameters=PARTIAL,
                          head_dim=HEAD_DIM),
                     tensors=plus_one, rms=False, norm_is_added=True),
    "phi2": Tiny("phi2", hf.PhiForCausalLM, hf.PhiConfig,
                 dict(tie_word_embeddings=False, rope_parameters=PARTIAL), rms=False),
    "gptneox": Tiny("gptneox", hf.GPTNeoXForCausalLM, hf.GPTNeoXConfig,
                    dict(tie_word_embeddings=False, rope_parameters=PARTIAL),
                    lambda w, c: w.add_parallel_residual(True), tensors=by_kind, rms=False,
                    common=no_kv_heads()),
    "gptneox_serial": Tiny("gptneox", hf.GPTNeoXForCausalLM, hf.GPTNeoXConfig,
                           dict(tie_word_embeddings=False, rope_parameters=PARTIAL,
                                use_parallel_residual=False),
                           lambda w, c: w.add_parallel_residual(False), tensors=by_kind, rms=False,
                           common=no_kv_heads()),
    "mpt": Tiny("mpt", hf.MptForCausalLM, hf.MptConfig,
                dict(attn_config=dict(clip_qkv=1.5, alibi_bias_max=8)), write_mpt, rms=False,
                common=MPT),
    "bloom": Tiny("bloom", hf.BloomForCausalLM, hf.BloomConfig, {}, tensors=by_kind, rms=False,
                  common=BLOOM),
    "mixtral": Tiny("llama", hf.MixtralForCausalLM, hf.MixtralConfig,
                    dict(tie_word_embeddings=False, num_local_experts=8, num_experts_per_tok=2,
                         intermediate_size=32, sliding_window=None, rope_parameters=rope(base=1e6)),
                    write_experts, tensors=permuted),
    "mixtral_apart": Tiny("llama", hf.MixtralForCausalLM, hf.MixtralConfig,
                          dict(tie_word_embeddings=False, num_local_experts=4,
                               num_experts_per_tok=2, intermediate_size=32, sliding_window=None,
                               rope_parameters=rope(base=1e6)),
                          write_experts, tensors=permuted, apart=experts_apart),
    "qwen2moe": Tiny("qwen2moe", hf.Qwen2MoeForCausalLM, hf.Qwen2MoeConfig,
                     dict(tie_word_embeddings=False, num_experts=6, num_experts_per_tok=3,
                          moe_intermediate_size=32, shared_expert_intermediate_size=48,
                          norm_topk_prob=False, rope_parameters=rope(base=1e6)), write_experts),
    "qwen3moe": Tiny("qwen3moe", hf.Qwen3MoeForCausalLM, hf.Qwen3MoeConfig,
                     dict(tie_word_embeddings=False, head_dim=32, num_experts=10,
                          num_experts_per_tok=4, moe_intermediate_size=32, norm_topk_prob=True,
                          rope_parameters=rope(base=1e6)), write_experts),
    "olmoe": Tiny("olmoe", hf.OlmoeForCausalLM, hf.OlmoeConfig,
                  dict(tie_word_embeddings=False, num_experts=8, num_experts_per_tok=3,
                       intermediate_size=32, norm_topk_prob=False, rope_parameters=rope()),
                  write_experts),
    "granitemoe": Tiny("granitemoe", hf.GraniteMoeForCausalLM, hf.GraniteMoeConfig,
                       dict(tie_word_embeddings=True, num_local_experts=8, num_experts_per_tok=2,
                            intermediate_size=32, embedding_multiplier=3.0,
                            residual_multiplier=0.4, attention_multiplier=0.1, logits_scaling=1.5,
                            rope_parameters=rope()),
                       lambda w, c: (write_granite(w, c), write_experts(w, c)), tensors=permuted),
    "granitemoe_shared": Tiny("granitemoe", hf.GraniteMoeSharedForCausalLM,
                              hf.GraniteMoeSharedConfig,
                              dict(tie_word_embeddings=True, num_local_experts=6,
                                   num_experts_per_tok=2, intermediate_size=32,
                                   shared_intermediate_size=48, embedding_multiplier=3.0,
                                   residual_multiplier=0.4, attention_multiplier=0.1,
                                   logits_scaling=1.5, rope_parameters=rope()),
                              lambda w, c: (write_granite(w, c), write_experts(w, c)),
                              tensors=permuted),
    "gpt_oss": Tiny("gpt-oss", hf.GptOssForCausalLM, hf.GptOssConfig,
                    dict(tie_word_embeddings=False, head_dim=32, num_local_experts=6,
                         num_experts_per_tok=2, intermediate_size=32, sliding_window=WINDOW,
                         attention_bias=True, rope_parameters=rope(
                             "yarn", 150000.0, factor=8.0, original_max_position_embeddings=32,
                             beta_fast=32.0, beta_slow=1.0, truncate=False)),
                    write_gpt_oss, apart=gpt_oss_experts, gains={"gate_up_proj": 3.0}),
    "deepseek3": Tiny("deepseek2", hf.DeepseekV3ForCausalLM, hf.DeepseekV3Config,
                      dict(tie_word_embeddings=False, q_lora_rank=32,
                           num_key_value_heads=HEADS, n_routed_experts=8, n_group=4, topk_group=2,
                           num_experts_per_tok=2, routed_scaling_factor=2.5, norm_topk_prob=True,
                           rope_parameters=rope(
                               "yarn", factor=4.0, original_max_position_embeddings=64,
                               mscale=1.0, mscale_all_dim=1.0, beta_fast=32, beta_slow=1),
                           **LATENT),
                      write_deepseek3, apart=latent_heads),
    # The first DeepSeek V2: groups count by their best expert.
    "deepseek2": Tiny("deepseek2", hf.DeepseekV2ForCausalLM, hf.DeepseekV2Config,
                      dict(tie_word_embeddings=False, q_lora_rank=32, num_key_value_heads=HEADS,
                           n_routed_experts=8, n_group=4, topk_group=2, num_experts_per_tok=2,
                           topk_method="group_limited_greedy", routed_scaling_factor=4.0,
                           rope_parameters=rope(), **LATENT),
                      lambda w, c: write_latent(w, c, True), apart=latent_heads),
    # Keys and values as one tensor, as older files have them.
    "deepseek2_lite": Tiny("deepseek2", hf.DeepseekV2ForCausalLM, hf.DeepseekV2Config,
                           dict(tie_word_embeddings=False, q_lora_rank=None,
                                num_key_value_heads=HEADS, n_routed_experts=6,
                                num_experts_per_tok=3, topk_method="greedy",
                                rope_parameters=rope(), **LATENT),
                           lambda w, c: write_latent(w, c, False)),
    "dbrx": Tiny("dbrx", hf.DbrxForCausalLM, hf.DbrxConfig,
                 dict(rope_parameters=rope(base=5e5)), write_dbrx, rms=False, common=DBRX,
                 apart=dbrx_experts),
    # With the layer that predicts further, which files have and transformers leaves out.
    "glm4moe": Tiny("glm4moe", hf.Glm4MoeForCausalLM, hf.Glm4MoeConfig,
                    dict(tie_word_embeddings=False, attention_bias=True, head_dim=32,
                         use_qk_norm=True, n_routed_experts=8, n_shared_experts=1,
                         num_experts_per_tok=2, moe_intermediate_size=32, first_k_dense_replace=1,
                         routed_scaling_factor=1.5, norm_topk_prob=True, rope_parameters=PARTIAL,
                         num_mtp_layers=0),
                    write_glm4moe, more_layers=1,
                    extra=lambda c: {"blk.2.nextn.enorm.weight": np.ones(WIDTH, dtype=np.float32)}),
    "llama4": Tiny("llama4", hf.Llama4ForCausalLM, hf.Llama4TextConfig,
                   dict(num_hidden_layers=4, tie_word_embeddings=False, head_dim=HEAD_DIM,
                        num_local_experts=4, num_experts_per_tok=1, intermediate_size=32,
                        intermediate_size_mlp=48, interleave_moe_layer_step=2,
                        attention_chunk_size=7, floor_scale=5, attn_scale=0.4, use_qk_norm=True,
                        attn_temperature_tuning=True, rope_parameters=rope(base=5e5)),
                   write_llama4, apart=llama4_experts),
    "phimoe": Tiny("phimoe", hf.PhimoeForCausalLM, hf.PhimoeConfig,
                   dict(tie_word_embeddings=False, num_local_experts=4, num_experts_per_tok=2,
                        intermediate_size=32, attention_bias=True, lm_head_bias=True,
                        sliding_window=None, router_jitter_noise=0.01, rope_parameters=rope()),
                   write_experts, prompt=12),
    "mamba": Tiny("mamba", hf.MambaForCausalLM, hf.MambaConfig, dict(tie_word_embeddings=True),
                  write_mamba, common=MAMBA, apart=states),
    "falcon_mamba": Tiny("mamba", hf.FalconMambaForCausalLM, hf.FalconMambaConfig,
                         dict(tie_word_embeddings=False, mixer_rms_eps=1e-5),
                         lambda w, c: (write_mamba(w, c), w.add_ssm_dt_b_c_rms(True)),
                         common=MAMBA, apart=states),
    "mamba2": Tiny("mamba2", hf.Mamba2ForCausalLM, hf.Mamba2Config,
                   dict(tie_word_embeddings=False, num_heads=8, head_dim=16, n_groups=2),
                   write_mamba2, common=MAMBA, apart=states),
    "granitehybrid": Tiny("granitehybrid", hf.GraniteMoeHybridForCausalLM,
                          hf.GraniteMoeHybridConfig, dict(num_local_experts=0, **GRANITE_HYBRID),
                          write_granite_hybrid, tensors=permuted, apart=dense_hybrid),
    "granitehybrid_moe": Tiny("granitehybrid", hf.GraniteMoeHybridForCausalLM,
                              hf.GraniteMoeHybridConfig,
                              dict(num_local_experts=6, num_experts_per_tok=2, intermediate_size=32,
                                   **GRANITE_HYBRID),
                              write_granite_hybrid, tensors=permuted, apart=states),
    "falcon_h1": Tiny("falcon-h1", hf.FalconH1ForCausalLM, hf.FalconH1Config,
                      dict(tie_word_embeddings=False, mamba_d_ssm=128, mamba_n_heads=8,
                           mamba_d_head=16, mamba_d_state=16, mamba_n_groups=2, mamba_d_conv=4,
                           mamba_rms_norm=False, rope_parameters=rope(), key_multiplier=0.5,
                           attention_in_multiplier=2.0, attention_out_multiplier=0.5,
                           ssm_in_multiplier=2.0, ssm_out_multiplier=0.5, mlp_multipliers=[2.0, 0.5],
                           ssm_multipliers=[0.5, 2.0, 0.5, 1.0, 0.25], embedding_multiplier=2.0,
                           lm_head_multiplier=0.5),
                      write_falcon_h1, tensors=multiplied, apart=states),
    "jamba": Tiny("jamba", hf.JambaForCausalLM, hf.JambaConfig,
                  dict(num_hidden_layers=4, tie_word_embeddings=False, attn_layer_period=4,
                       attn_layer_offset=1, expert_layer_period=2, expert_layer_offset=1,
                       num_experts=4, num_experts_per_tok=2, intermediate_size=32,
                       mamba_d_state=16, mamba_expand=2, mamba_d_conv=4),
                  write_jamba, apart=jamba_parts, prompt=12),
    "lfm2": Tiny("lfm2", hf.Lfm2ForCausalLM, hf.Lfm2Config,
                 dict(num_hidden_layers=4, tie_word_embeddings=True, conv_L_cache=3,
                      block_auto_adjust_ff_dim=False, full_attn_idxs=[1],
                      rope_parameters=rope(base=1e6)),
                 write_lfm2, apart=short_convolutions),
    "qwen3next": Tiny("qwen3next", hf.Qwen3NextForCausalLM, hf.Qwen3NextConfig,
                      dict(num_hidden_layers=4, linear_key_head_dim=32, linear_value_head_dim=32,
                           **QWEN3_NEXT),
                      write_qwen3next, tensors=plus_one, norm_is_added=True, apart=delta_nets,
                      prompt=12, gains=DELTA_GAINS),
    "qwen3next_joined": Tiny("qwen3next", hf.Qwen3NextForCausalLM, hf.Qwen3NextConfig,
                             dict(num_hidden_layers=2, linear_key_head_dim=16,
                                  linear_value_head_dim=32,
                                  layer_types=["linear_attention", "full_attention"],
                                  **QWEN3_NEXT),
                             write_qwen3next, tensors=plus_one, norm_is_added=True,
                             apart=delta_nets_joined, prompt=12,
                             gains=DELTA_GAINS),
    "qwen35": Tiny("qwen35", hf.Qwen3_5ForCausalLM, hf.Qwen3_5TextConfig,
                   dict(num_hidden_layers=4, tie_word_embeddings=True, linear_key_head_dim=16,
                        linear_value_head_dim=32, **DELTA_NETS),
                   write_qwen3next, tensors=plus_one, norm_is_added=True,
                   apart=delta_nets_by_turns, gains=DELTA_GAINS),
    "qwen35moe": Tiny("qwen35moe", hf.Qwen3_5MoeForCausalLM, hf.Qwen3_5MoeTextConfig,
                      dict(num_hidden_layers=4, linear_key_head_dim=16, linear_value_head_dim=32,
                           **QWEN3_NEXT),
                      write_qwen3next, tensors=plus_one, norm_is_added=True,
                      apart=delta_nets_by_turns, prompt=12, gains=DELTA_GAINS),
    "olmo": Tiny("olmo", hf.OlmoForCausalLM, hf.OlmoConfig,
                 dict(tie_word_embeddings=True, clip_qkv=1.5, rope_parameters=rope()),
                 lambda w, c: w.add_clamp_kqv(c.clip_qkv), tensors=permuted, rms=False),
}
