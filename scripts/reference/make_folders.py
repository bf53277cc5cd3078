#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/folders/NAME: the tiny models of make_architectures.py as transformers saves them.

Usage: scripts/setup reference && .venv-reference/bin/python scripts/reference/make_folders.py [NAME...]
The weights are those of tests/golden/architectures/NAME.gguf (matrices in f16, vectors in f32), so that
loading either must give the same logits, byte for byte. The vocabulary is that of the GGUF files, as a
tokenizer.json. llama and mixtral are cut into several files with an index.
"""
import json
import shutil
import sys
import zlib
from pathlib import Path

import torch
from make_architectures import build
from tiny_architectures import TINY
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

FOLDERS = Path(__file__).resolve().parents[2] / "tests/golden/folders"
NAMES = ["llama", "llama3", "llama_linear", "mistral", "mixtral", "qwen2", "qwen2_yarn", "qwen2moe", "qwen3",
         "qwen3moe", "gemma", "gemma2", "gemma3", "phi3", "phi3_long", "smollm3", "granite", "granitemoe",
         "granitemoe_shared", "olmo2", "olmo3", "olmoe"]
SHARDS = {"llama": "60KB", "mixtral": "100KB"}
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def stored(tiny, model: torch.nn.Module) -> None:
    """Types of the file. What lies 1 below a value of f32 may need more bits than f32 has."""
    for name, parameter in model.named_parameters():
        vector = parameter.dim() < 2 or "norm" in name
        small = torch.float32 if vector else torch.float16
        if vector and tiny.norm_is_added and not torch.equal(parameter.data.float().double() + 1,
                                                             parameter.data + 1):
            continue
        parameter.data = parameter.data.to(small)


def write_tokenizer(folder: Path, size: int) -> None:
    """As make_architectures.write_vocabulary."""
    tokens = ["<|begin|>", "<|endoftext|>"] + [chr(33 + i) for i in range(size - 3)] + ['!"']
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=[("!", '"')]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in tokens[:2]])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"bos_token": tokens[0], "eos_token": {"content": tokens[1], "__type": "AddedToken"},
              "add_bos_token": False, "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def make(name: str) -> None:
    tiny = TINY[name]
    model = build(tiny, zlib.crc32(name.encode()))
    stored(tiny, model)
    folder = FOLDERS / name
    shutil.rmtree(folder, ignore_errors=True)
    model.config.dtype = torch.float16
    model.save_pretrained(folder, max_shard_size=SHARDS.get(name, "5GB"))
    (folder / "generation_config.json").unlink(missing_ok=True)
    write_tokenizer(folder, model.config.vocab_size)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{name}: {size / 1000:.0f} KB, {sorted(path.name for path in folder.iterdir())}", flush=True)


def main() -> int:
    if any(name not in TINY for name in sys.argv[1:]):
        print(__doc__, file=sys.stderr)
        return 2
    for name in sys.argv[1:] or NAMES:
        make(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
