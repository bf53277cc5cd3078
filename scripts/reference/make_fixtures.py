#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/logits/MODEL.json and MODEL_long.json: logits by the outside implementation.

Usage: scripts/setup reference && .venv-reference/bin/python scripts/reference/make_fixtures.py \\
           NAME=PATH...      e.g. smollm2=.../smollm2.gguf gemma3=.../gemma3.gguf
MODEL.json: 64 tokens of tests/data/northanger.txt, all 64 positions. MODEL_long.json: 640 tokens
(past Gemma's window of 512), the last 16 positions. Each position: log-sum-exp of all logits, and
its 64 largest, ids descending by logit (lower id first on ties).
"""
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import outside

ROOT = Path(__file__).resolve().parents[2]
TEXT = ROOT / "tests/data/northanger.txt"
TOP = 64


def position_of(index: int, row: np.ndarray) -> dict:
    order = np.lexsort((np.arange(row.size), -row))[:TOP]
    peak = row.max()
    return {
        "position": index,
        "log_sum_exp": round(float(peak + np.log(np.exp(row - peak).sum())), 6),
        "ids": order.tolist(),
        "logits": [round(float(x), 5) for x in row[order]],
    }


def write(name: str, path: str, model: outside.Outside, tokens: list[int], last: int) -> None:
    logits = model.logits(tokens)
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    fixture = {
        "made_by": "scripts/reference/make_fixtures.py",
        "model_sha256": digest,
        "tokens": tokens,
        "positions": [position_of(i, logits[i]) for i in range(len(tokens) - last, len(tokens))],
    }
    out = ROOT / f"tests/golden/logits/{name}.json"
    out.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
    print(f"{out.relative_to(ROOT)}: {len(tokens)} tokens, {last} positions, "
          f"{out.stat().st_size / 1000:.0f} KB")


def main() -> int:
    if len(sys.argv) < 2 or not all("=" in a for a in sys.argv[1:]):
        print(__doc__, file=sys.stderr)
        return 2
    for argument in sys.argv[1:]:
        name, path = argument.split("=", 1)
        tokens = outside.tokenize(path, TEXT.read_bytes())
        model = outside.load(path)
        write(name, path, model, tokens[:64], 64)
        write(f"{name}_long", path, model, tokens[:640], 16)
    return 0


if __name__ == "__main__":
    sys.exit(main())
