#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cairn quantize` beside ggml's quantiser: the error of each on the same tensors, at the same bits.

Usage: .venv-reference/bin/python scripts/reference/compare_quantisers.py MODEL.gguf [TYPE...]
MODEL has F16, BF16 or F32 matrices; --make OUT.gguf first writes one of a quantised model (by
`cairn quantize MODEL OUT F16`). For each type, over all its matrices: the relative root-mean-square
error of Cairn's file, of ggml's with its own weights of columns (as llama-quantize does it without
an importance matrix), how many tensors are better here, and the largest ratio of the two.
--most N: of the first N of them only. --importance F: both by an importance file (in GGUF, of `cairn importance` or
llama.cpp's); errors are then weighted by it. --perplexity TEXT: also what `cairn perplexity` says of the whole file, and
of the same file with the bytes of every changed tensor made by ggml. docs/quantize.md has the result.
"""
import argparse
import ctypes
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import llama_cpp
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize

PROGRAM = Path(__file__).resolve().parents[2] / "build/release/cairn"
TYPES = ("Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0", "Q4_K", "Q4_1", "Q4_0", "IQ4_NL", "Q3_K", "Q2_K")


def ggml():
    library = ctypes.CDLL(str(next((Path(llama_cpp.__file__).parent / "lib").glob("libggml-base.so"))))
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                                            ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
                                            ctypes.c_void_p]
    return library


def quantised(library, kind, values: np.ndarray, weights) -> np.ndarray:
    if kind == GGMLQuantizationType.F16:
        return values.astype(np.float16).view(np.uint8)
    block, size = GGML_QUANT_SIZES[kind]
    rows, cols = values.shape
    out = np.empty((rows, cols // block * size), dtype=np.uint8)
    source = np.ascontiguousarray(values, dtype=np.float32)
    pointer = None if weights is None else weights.ctypes.data
    library.ggml_quantize_chunk(int(kind), source.ctypes.data, out.ctypes.data, 0, rows, cols, pointer)
    return out


def theirs(library, kind, values: np.ndarray, weights) -> np.ndarray:
    return dequantize(quantised(library, kind, values, weights), kind)


def floats(tensor) -> np.ndarray:
    values = dequantize(tensor.data, tensor.tensor_type)
    return np.asarray(values, dtype=np.float32).reshape(-1, int(tensor.shape[0]))


def squares(values, weights) -> float:
    values = values.astype(np.float64) ** 2
    return float((values if weights is None else values * weights).sum())


def read_importance(path) -> dict:
    found = {}
    tensors = {t.name: t for t in GGUFReader(path).tensors}
    for name, tensor in tensors.items():
        if name.endswith(".in_sum2"):
            count = tensors[name.removesuffix(".in_sum2") + ".counts"].data.reshape(-1)[0]
            found[name.removesuffix(".in_sum2")] = (
                np.ascontiguousarray(tensor.data.reshape(-1) / max(count, 1), dtype=np.float32))
    return found


def perplexity(file, text) -> float:
    done = subprocess.run([PROGRAM, "perplexity", file, text, "--json"], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)["perplexity"]


def by_ggml(library, out: Path, before: dict, importance: dict) -> Path:
    """The same file with every tensor that changed made by ggml: same types, same bytes of each."""
    copy = out.with_name("ggml.gguf")
    shutil.copyfile(out, copy)
    for tensor in GGUFReader(out).tensors:
        source = before[tensor.name]
        if tensor.tensor_type == source.tensor_type:
            continue
        values = floats(source)
        data = quantised(library, tensor.tensor_type, values, importance.get(tensor.name))
        to = np.memmap(copy, dtype=np.uint8, mode="r+", offset=tensor.data_offset, shape=(data.size,))
        to[:] = data.reshape(-1)
        to.flush()
    return copy


def compare(model: str, name: str, library, importance: dict, file, most: int, text) -> str:
    kind = GGMLQuantizationType[name]
    before = {t.name: t for t in GGUFReader(model).tensors}
    ours = theirs_sum = whole = 0.0
    better = count = 0
    worst = 0.0
    read = ""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.gguf"
        options = ["--importance", file] if file else []
        subprocess.run([PROGRAM, "quantize", model, out, name, "--json", *options], check=True,
                       stdout=subprocess.DEVNULL)
        for tensor in GGUFReader(out).tensors:
            source = before[tensor.name]
            if tensor.tensor_type != kind or source.tensor_type == kind:
                continue
            if count == most:
                break
            values = floats(source)
            weights = importance.get(tensor.name)
            mine = squares(values - floats(tensor), weights)
            other = squares(values - theirs(library, kind, values, weights), weights)
            ours, theirs_sum, whole = ours + mine, theirs_sum + other, whole + squares(values, weights)
            better += mine <= other
            worst = max(worst, (mine / other) ** 0.5 if other else 0)
            count += 1
        if text:
            read = (f"  perplexity here {perplexity(out, text):.4f}  "
                    f"ggml {perplexity(by_ggml(library, out, before, importance), text):.4f}")
    if count == 0:
        return "no tensor has columns for it" + read
    return (f"error here {np.sqrt(ours / whole):.5f}  ggml {np.sqrt(theirs_sum / whole):.5f}  "
            f"ratio {np.sqrt(ours / theirs_sum):.3f}  better in {better} of {count}  "
            f"largest ratio {worst:.3f}{read}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("types", nargs="*", default=TYPES)
    parser.add_argument("--most", type=int, default=10_000, help="tensors for each type")
    parser.add_argument("--make")
    parser.add_argument("--importance")
    parser.add_argument("--perplexity", metavar="TEXT")
    options = parser.parse_intermixed_args()
    model = options.model
    if options.make:
        subprocess.run([PROGRAM, "quantize", model, options.make, "F16", "--json"], check=True,
                       stdout=subprocess.DEVNULL)
        model = options.make
    importance = read_importance(options.importance) if options.importance else {}
    library = ggml()
    if options.perplexity:
        print(f"perplexity of {model}: {perplexity(model, options.perplexity):.4f}", flush=True)
    for name in options.types:
        print(f"{name:7}", compare(model, name, library, importance, options.importance, options.most,
                                   options.perplexity), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
