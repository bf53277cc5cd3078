#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far two programs' next-token distributions are apart: mean KL divergence, top-1 agreement.

Usage (in .venv-reference, scripts/setup reference makes it):
  compare.py tokens MODEL.gguf > ids.txt              the tokens of all that follows, with commas
  compare.py outside MODEL.gguf OUT.npy               logits by transformers (outside.py)
  compare.py llama MODEL.gguf OUT.npy                 logits by llama.cpp
  cairn logits MODEL --tokens "$(cat ids.txt)" --out OUT.npy      ours
  build/release/reference_logits MODEL.gguf ids.txt 0 OUT.npy     the reference executor's
  compare.py report REFERENCE.npy OTHER.npy...        KL(REFERENCE || OTHER) in nats, top-1
  compare.py perplexity MODEL.gguf                    llama.cpp's perplexity of the whole text
  cairn perplexity MODEL tests/data/persuasion.txt                ours
Text: the first 2,000 tokens of tests/data/persuasion.txt as one context. Files are [positions, vocabulary];
`outside` works by blocks, so that not all positions are in memory in double precision at once.
"""
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
TEXT = ROOT / "tests/data/persuasion.txt"
POSITIONS = 2000
BLOCK = 256  # positions whose logits are held in double precision at once
WINDOW = 512  # tokens of a window of perplexity; the second half is scored


def tokens(path: str) -> list[int]:
    import outside

    return outside.tokenize(path, TEXT.read_bytes())[:POSITIONS]


def create(out: str, rows: int, columns: int) -> np.memmap:
    return np.lib.format.open_memmap(out, mode="w+", dtype=np.float32, shape=(rows, columns))


def write_outside(path: str, out: str) -> None:
    import outside
    import torch

    ids = tokens(path)
    model = outside.load(path).model
    with torch.no_grad():
        hidden = model.model(torch.tensor([ids])).last_hidden_state[0]
        logits = create(out, len(ids), model.config.vocab_size)
        for begin in range(0, len(ids), BLOCK):
            logits[begin:begin + BLOCK] = model.lm_head(hidden[begin:begin + BLOCK]).numpy()
    logits.flush()


def write_llama(path: str, out: str) -> None:
    from llama_cpp import Llama

    ids = tokens(path)
    # f16 keys and values, its default; logits of every position.
    program = Llama(model_path=path, n_ctx=len(ids) + 8, n_batch=BLOCK, logits_all=True,
                    verbose=False)
    program.eval(ids)
    logits = create(out, len(ids), program.n_vocab())
    logits[:] = program.scores[:len(ids)]
    logits.flush()


def llama_perplexity(path: str) -> None:
    """The protocol of llama.cpp's tool: whole windows, a BOS in the place of the first token."""
    import outside
    from llama_cpp import Llama

    ids = outside.tokenize(path, TEXT.read_bytes())
    program = Llama(model_path=path, n_ctx=WINDOW, n_batch=WINDOW, logits_all=True, verbose=False)
    begins = program.metadata.get("tokenizer.ggml.add_bos_token", "false") == "true"
    total, count = 0.0, 0
    for begin in range(0, len(ids) // WINDOW * WINDOW, WINDOW):
        window = ids[begin:begin + WINDOW]
        if begins:
            window[0] = program.token_bos()
        program.reset()
        program.eval(window)
        half = log_softmax(program.scores[WINDOW // 2:WINDOW - 1])
        total -= half[np.arange(len(half)), window[WINDOW // 2 + 1:]].sum()
        count += len(half)
    print(f"llama.cpp: perplexity {np.exp(total / count):.4f} ({count} tokens scored)")


def log_softmax(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    return rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))


def compare(reference: np.ndarray, other: np.ndarray) -> tuple[float, float, float, float]:
    """Mean and largest KL(reference || other) in nats, share of equal top-1, largest difference."""
    if reference.shape != other.shape:
        raise SystemExit(f"compare: shapes differ: {reference.shape} and {other.shape}")
    divergences, equal, worst = [], 0, 0.0
    for begin in range(0, len(reference), BLOCK):
        a, b = reference[begin:begin + BLOCK], other[begin:begin + BLOCK]
        p, q = log_softmax(a), log_softmax(b)
        divergences.append((np.exp(p) * (p - q)).sum(axis=1))
        equal += int((a.argmax(axis=1) == b.argmax(axis=1)).sum())
        worst = max(worst, float(np.abs(p - q).max()))
    divergence = np.concatenate(divergences)
    return divergence.mean(), divergence.max(), equal / len(reference), worst


def report(paths: list[str]) -> None:
    reference = np.load(paths[0], mmap_mode="r")
    print(f"{len(reference)} positions against {Path(paths[0]).name}")
    print(f"{'':28}{'mean KL':>12}{'largest KL':>12}{'top-1 equal':>13}{'largest |d log p|':>19}")
    for path in paths[1:]:
        mean, most, top, worst = compare(reference, np.load(path, mmap_mode="r"))
        print(f"{Path(path).name:28}{mean:12.3e}{most:12.3e}{100 * top:12.2f}%{worst:19.3e}")


def main() -> int:
    match sys.argv[1:]:
        case ["tokens", path]:
            print(",".join(map(str, tokens(path))))
        case ["outside", path, out]:
            write_outside(path, out)
        case ["llama", path, out]:
            write_llama(path, out)
        case ["perplexity", path]:
            llama_perplexity(path)
        case ["report", reference, *others] if others:
            report([reference, *others])
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
