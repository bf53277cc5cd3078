#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/architectures/NAME.gguf and NAME.json: a tiny random model of each architecture,
and what transformers makes of it in double precision.

Usage: scripts/setup reference && .venv-reference/bin/python scripts/reference/make_architectures.py \\
           [NAME...]      all of tiny_architectures.py where none is named
Weights are drawn from a seed, matrices rounded to f16. NAME.json: the tokens of a prompt, the logits
of all its positions, and the 20 tokens that greedy generation adds, whose margins are wide enough
for rounding not to matter. The same versions of the packages give the same bytes.
"""
import json
import math
import re
import sys
import zlib
from pathlib import Path

import gguf
import numpy as np
import torch
from tiny_architectures import TINY, Tiny

FOLDER = Path(__file__).resolve().parents[2] / "tests/golden/architectures"
GENERATED = 20
CHOICE = 0.01  # least distance of the logits of a router that decide
MARGIN = 0.1  # between the two largest logits of a generated token, in standard deviations


def draw(tiny: Tiny, model: torch.nn.Module, seed: int) -> None:
    """Weights that keep values around 1 and logits apart."""
    random = np.random.default_rng(seed)
    for name, parameter in sorted(model.named_parameters()):
        normal = random.standard_normal(tuple(parameter.shape))
        name = name.replace("norm_attn_norm.", "")  # DBRX's name for half a layer
        if "norm" in name.lower() or re.search(r"\bln_", name):
            values = 0.25 * normal
            if name.endswith("weight") and not tiny.norm_is_added:
                values += 1
        elif parameter.dim() < 2:
            values = 0.3 * normal
        elif re.search(r"embed|wte|wpe|word_emb|lm_head|output", name) and "layers" not in name:
            values = 0.35 * normal
        else:
            fan_in = parameter.shape[0 if tiny.arch == "gpt2" else -1]
            values = normal * (1.1 / np.sqrt(fan_in))
        for part, gain in tiny.gains.items():
            values = values * (gain if part in name else 1)
        small = np.float32 if parameter.dim() < 2 or "norm" in name else np.float16
        if tiny.norm_is_added and "norm" in name and name.endswith("weight"):
            values = (values + 1).astype(np.float32).astype(np.float64) - 1
        parameter.data = torch.from_numpy(values.astype(small).astype(np.float64)
                                          if not tiny.norm_is_added or "norm" not in name
                                          else values)


def draw_buffers(model: torch.nn.Module, seed: int) -> None:
    random = np.random.default_rng(seed)
    for name, buffer in sorted(model.named_buffers()):
        if name.endswith("e_score_correction_bias"):
            buffer.copy_(torch.from_numpy(0.1 * random.standard_normal(tuple(buffer.shape))))
        elif name.endswith("layer_scalar"):
            buffer.copy_(torch.from_numpy(1 + 0.25 * random.standard_normal(tuple(buffer.shape))))


def build(tiny: Tiny, seed: int) -> torch.nn.Module:
    config = tiny.make_config()
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    torch.manual_seed(0)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    model = tiny.model(config).eval()
    torch.set_default_dtype(previous)
    draw(tiny, model, seed)
    draw_buffers(model, seed)
    model.tie_weights()
    return model


def get(config, *names, default=None):
    for name in names:
        if getattr(config, name, None) is not None:
            return getattr(config, name)
    return default


def write_metadata(writer: gguf.GGUFWriter, tiny: Tiny, config) -> None:
    config.allow_global_per_layer_attribute_access = True  # write says what layers have otherwise
    width = get(config, "hidden_size", "d_model", "n_embd")
    heads = get(config, "num_attention_heads", "n_heads", "n_head", default=0)
    writer.add_context_length(get(config, "max_position_embeddings", "max_seq_len", "n_positions",
                                  default=256))
    writer.add_embedding_length(width)
    writer.add_block_count(get(config, "num_hidden_layers", "n_layers", "n_layer")
                           + tiny.more_layers)
    writer.add_feed_forward_length(get(config, "ffn_hidden_size", "intermediate_size", "n_inner",
                                       default=4 * width))
    writer.add_head_count(heads)
    writer.add_head_count_kv(get(config, "num_key_value_heads", "num_kv_heads", default=get(
        get(config, "attn_config"), "kv_n_heads", default=heads)))
    if heads and get(config, "head_dim") is not None and config.head_dim != width // heads:
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if tiny.rms:
        writer.add_layer_norm_rms_eps(get(config, "rms_norm_eps", "layer_norm_eps",
                                          "layer_norm_epsilon", "norm_eps"))
    else:
        writer.add_layer_norm_eps(get(config, "layer_norm_epsilon", "layer_norm_eps", "norm_eps",
                                      "norm_epsilon", default=1e-5))
    rope = get(config, "rope_parameters", default={})
    if "rope_theta" in rope:
        head_dim = get(config, "head_dim", default=width // heads)
        writer.add_rope_freq_base(rope["rope_theta"])
        writer.add_rope_dimension_count(int(head_dim * rope.get("partial_rotary_factor", 1.0)))
    tiny.write(writer, config)


def write_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """Two ends, printable characters and a pair: enough for a loader; nothing here reads texts."""
    tokens = ["<|begin|>", "<|endoftext|>"] + [chr(33 + i) for i in range(size - 3)] + ['!"']
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3] + [1] * (size - 2))
    writer.add_token_merges(['! "'])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)


def stacked(state: dict) -> dict:
    """StableLM keeps a norm for each head in a tensor of its own, Gemma 3n a matrix for each of its
    streams; files have one."""
    joined, stacks = {}, {}
    for name, values in state.items():
        match = re.fullmatch(r"(.*_layernorm(?=\.norms)|.*\.altup_\w*projections)(?:\.norms)?"
                             r"\.(\d+)\.weight", name)
        if match:
            stacks.setdefault(match[1] + ".weight", []).append(values)
        else:
            joined[name] = values
    joined.update({name: np.stack(parts) for name, parts in stacks.items()})
    return joined


def tensors_of(tiny: Tiny, model: torch.nn.Module) -> dict:
    arch = next(k for k, v in gguf.MODEL_ARCH_NAMES.items() if v == tiny.arch)
    config = model.config
    layers = get(config, "num_hidden_layers", "n_layers", "n_layer")
    names = gguf.get_tensor_name_map(arch, layers)
    state = stacked({k: v.numpy() for k, v in model.state_dict().items()})
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    result = {}
    for name, values in state.items():
        if tied and values.shape == state[next(iter(state))].shape and "lm_head" in name:
            continue
        apart = tiny.apart(name, values, config)
        if apart is not None:
            result.update(apart)
            continue
        if tiny.arch == "bloom":  # as its converter does
            name = name.removeprefix("transformer.")
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if target is None:
            if re.search(r"inv_freq|masked_bias|\.attn\.bias", name):
                continue
            raise SystemExit(f"{tiny.arch}: no name for {name}")
        result[target] = tiny.tensors(name, values, config)
    result.update(tiny.extra(config))
    return result


def write_gguf(path: Path, tiny: Tiny, model: torch.nn.Module) -> None:
    writer = gguf.GGUFWriter(str(path), tiny.arch)
    write_metadata(writer, tiny, model.config)
    write_vocabulary(writer, get(model.config, "vocab_size"))
    for name, values in tensors_of(tiny, model).items():
        exact = values.ndim < 2 or name.endswith(".bias") or re.search(
            r"norm|ffn_gate_inp|ssm_(a|d|conv1d)\b", name)
        writer.add_tensor(name, np.ascontiguousarray(values.astype(np.float32 if exact else
                                                                   np.float16)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@torch.no_grad()
def logits_of(model: torch.nn.Module, tokens: list[int]) -> np.ndarray:
    return model(torch.tensor([tokens]), use_cache=False).logits[0].double().numpy()


class Choices:
    """How clear the routers of a model choose: the least distance between the last logit that is
    chosen and the first that is not, over all rows since the last clear()."""

    def __init__(self, model: torch.nn.Module):
        self.least = math.inf
        self.used = get(get(model.config, "ffn_config"), "moe_top_k",
                        default=get(model.config, "top_k_experts"))
        for module in model.modules():
            if type(module).__name__.endswith("Router"):
                module.register_forward_hook(self.look)

    def look(self, module: torch.nn.Module, _, outputs: tuple) -> None:
        decides = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
        if type(module).__name__ == "Llama4Router":  # scores first
            decides = outputs[1]
        if type(module).__name__ == "Gemma4TextRouter":  # probabilities
            decides = decides.log()
        bias = getattr(module, "e_score_correction_bias", None)
        if bias is not None:
            decides = decides.sigmoid() + bias
        groups = getattr(module, "num_group", None) or 1
        if groups > 1 and getattr(module, "topk_method", None) != "greedy":
            members = decides.view(len(decides), groups, -1)
            best = members.topk(1 if bias is None else 2, dim=-1).values.sum(dim=-1)
            self.compare(best, module.topk_group)
            kept = best.topk(module.topk_group, dim=-1).indices
            mask = torch.full_like(best, -math.inf).scatter(1, kept, 0.0)
            decides = (members + mask.unsqueeze(-1)).flatten(1)
        self.compare(decides, getattr(module, "top_k", self.used))
        if type(module).__name__ == "PhimoeTopKRouter":
            self.compare_nearness(decides, 2 * module.router_jitter_noise)

    def compare_nearness(self, logits: torch.Tensor, border: float) -> None:
        """Phi-3.5-MoE weighs an expert among those that come near it: their distances must be clear
        too. A weight jumps where one crosses the border."""
        left = logits.clone()
        for _ in range(2):
            most, chosen = left.max(dim=-1, keepdim=True)
            distance = (most - left) / left.abs().clamp(min=most)
            gaps = (distance - border).abs()[left.isfinite()]
            self.least = min(self.least, 4 * float(gaps.min()))
            left = left.scatter(-1, chosen, -math.inf)

    def compare(self, values: torch.Tensor, chosen: int) -> None:
        values = values.sort(dim=-1, descending=True).values
        gaps = values[..., chosen - 1] - values[..., chosen]
        self.least = min(self.least, float(gaps.min()))

    def clear(self) -> None:
        self.least = math.inf


def generate(model: torch.nn.Module, prompt: list[int], deviation: float) -> list[int] | None:
    tokens = list(prompt)
    for _ in range(GENERATED):
        last = logits_of(model, tokens)[-1]
        second, first = np.sort(last)[-2:]
        if first - second < MARGIN * deviation or last.argmax() < 2:
            return None  # too close, or an end
        tokens.append(int(last.argmax()))
    return tokens[len(prompt):]


def make(name: str) -> None:
    tiny = TINY[name]
    seed = zlib.crc32(name.encode())
    model = build(tiny, seed)
    choices = Choices(model)
    for attempt in range(2000):
        random = np.random.default_rng(seed + attempt)
        choices.clear()
        prompt = random.integers(2, model.config.vocab_size, tiny.prompt).tolist()
        logits = logits_of(model, prompt)
        deviation = float(logits.std())
        if deviation < 1:
            raise SystemExit(f"{name}: logits have a deviation of {deviation:.2f}, not 1")
        more = generate(model, prompt, deviation)
        if more is not None and choices.least > CHOICE:
            break
    else:
        raise SystemExit(f"{name}: no prompt whose answer is clear")
    write_gguf(FOLDER / f"{name}.gguf", tiny, model)
    fixture = {"made_by": "scripts/reference/make_architectures.py", "tokens": prompt,
               "generated": more,
               "logits": [[round(float(x), 5) for x in row] for row in logits]}
    (FOLDER / f"{name}.json").write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
    size = sum((FOLDER / f"{name}{end}").stat().st_size for end in (".gguf", ".json"))
    print(f"{name}: deviation {deviation:.2f}, {size / 1000:.0f} KB", flush=True)


def main() -> int:
    unknown = [name for name in sys.argv[1:] if name not in TINY]
    if unknown:
        print(__doc__, file=sys.stderr)
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or TINY:
        make(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
