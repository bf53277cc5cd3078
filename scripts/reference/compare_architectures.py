#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""llama.cpp on tests/golden/architectures beside transformers' logits: whether files of these names,
keys and orders of rows are what llama.cpp reads.

Usage: .venv-reference/bin/python scripts/reference/compare_architectures.py [NAME...]
Prints per model the root-mean-square and the largest difference in standard deviations of the
logits, and how often the largest logit is the same. docs/correctness.md has the result.
"""
import json
import sys
from pathlib import Path

import numpy as np
from llama_cpp import Llama

FOLDER = Path(__file__).resolve().parents[2] / "tests/golden/architectures"


def compare(name: str) -> str:
    fixture = json.loads((FOLDER / f"{name}.json").read_text())
    try:
        model = Llama(model_path=str(FOLDER / f"{name}.gguf"), n_ctx=128, n_batch=64,
                      logits_all=True, verbose=False)
    except ValueError:
        return "llama.cpp does not load it"
    model.eval(fixture["tokens"])
    got = np.array(model.scores[:len(fixture["tokens"])], dtype=np.float64)
    want = np.array(fixture["logits"])
    error = np.abs(got - want) / want.std()
    same = (got.argmax(1) == want.argmax(1)).mean()
    return f"rms {np.sqrt((error ** 2).mean()):.5f}  largest {error.max():.5f}  same {same:.0%}"


def main() -> int:
    names = sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.json"))
    for name in names:
        print(f"{name:16} {compare(name)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
