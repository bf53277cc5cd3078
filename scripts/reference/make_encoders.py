#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/encoders/NAME.gguf and NAME.json: a tiny random model of each encoder, and what
transformers makes of it in double precision.

Usage: scripts/setup reference && .venv-reference/bin/python scripts/reference/make_encoders.py \\
           [NAME...]      all of tiny_encoders.py where none is named
Weights are drawn as in make_architectures.py. NAME.json: inputs of several lengths, pairs of texts
among them, with the rows of the last layer (or the scores) of each. The same versions of the
packages give the same bytes.
"""
import json
import sys
import zlib
from pathlib import Path

import gguf
import numpy as np
import torch
from make_architectures import build, get, write_metadata
from tiny_encoders import ENCODERS, Encoder

FOLDER = Path(__file__).resolve().parents[2] / "tests/golden/encoders"
BEGIN, END, UNKNOWN = 2, 3, 1


def write_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """Single letters that begin a word or go on with one: enough to embed a text."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(ord("a") + i) for i in range(26)]
    tokens = special + ["\u2581" + c for c in letters] + letters
    tokens += ["\u2581" + c for c in "0123456789"][:size - len(tokens)]
    writer.add_tokenizer_model("bert")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(special) + [1] * (len(tokens) - len(special)))
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_bos_token_id(BEGIN)
    writer.add_sep_token_id(END)


def tensors_of(tiny: Encoder, model: torch.nn.Module) -> dict:
    arch = next(k for k, v in gguf.MODEL_ARCH_NAMES.items() if v == tiny.arch)
    names = gguf.get_tensor_name_map(arch, get(model.config, "num_hidden_layers", "num_layers"))
    result = {}
    for name, values in model.state_dict().items():
        base, end = name.rsplit(".", 1)
        if name.endswith("position_ids"):
            continue
        target = tiny.rename(base)
        if target is None:
            target = names.get_name(base) or names.get_name(base.removeprefix("bert."))
        if target is None:
            if base.endswith("pooler.dense"):
                continue
            raise SystemExit(f"{tiny.arch}: no name for {name}")
        result[f"{target}.{end}"] = tiny.tensors(name, values.numpy(), model.config)
    return tiny.join(result)


def write_gguf(path: Path, tiny: Encoder, model: torch.nn.Module) -> None:
    writer = gguf.GGUFWriter(str(path), tiny.arch)
    write_metadata(writer, tiny, model.config)
    write_vocabulary(writer, model.config.vocab_size)
    for name, values in tensors_of(tiny, model).items():
        exact = values.ndim < 2 or "norm" in name
        writer.add_tensor(name, np.ascontiguousarray(values.astype(np.float32 if exact else
                                                                   np.float16)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@torch.no_grad()
def outputs_of(tiny: Encoder, model: torch.nn.Module, tokens: list[int],
               second: int) -> list[list[float]]:
    inputs = {"input_ids": torch.tensor([tokens])}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = torch.tensor([[int(0 <= second <= i)
                                                  for i in range(len(tokens))]])
    result = model(**inputs)
    rows = result.logits if tiny.scores else result.last_hidden_state[0]
    return [[round(float(x), 6) for x in row] for row in rows.double()]


def make(name: str) -> None:
    tiny = ENCODERS[name]
    seed = zlib.crc32(name.encode())
    model = build(tiny, seed)
    random = np.random.default_rng(seed)
    inputs = []
    for lengths in tiny.inputs:
        texts = [random.integers(5, model.config.vocab_size, n).tolist()
                 for n in (lengths if isinstance(lengths, tuple) else (lengths,))]
        tokens, second = [BEGIN] + texts[0] + [END], -1
        if len(texts) > 1:
            second = len(tokens)
            tokens += texts[1] + [END]
        inputs.append({"tokens": tokens, "second": second,
                       "rows": outputs_of(tiny, model, tokens, second)})
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_gguf(FOLDER / f"{name}.gguf", tiny, model)
    fixture = {"made_by": "scripts/reference/make_encoders.py", "scores": tiny.scores,
               "inputs": inputs}
    (FOLDER / f"{name}.json").write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
    size = sum((FOLDER / f"{name}{end}").stat().st_size for end in (".gguf", ".json"))
    deviation = np.std([x for i in inputs for row in i["rows"] for x in row])
    print(f"{name}: deviation {deviation:.2f}, {size / 1000:.0f} KB", flush=True)


def main() -> int:
    if any(name not in ENCODERS for name in sys.argv[1:]):
        print(__doc__, file=sys.stderr)
        return 2
    for name in sys.argv[1:] or ENCODERS:
        make(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
