#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/formats/: stored blocks and what the gguf package dequantises them to.

Needs numpy and gguf. One pair of files per format: NAME.blocks (stored bytes) and NAME.f32 (the
values, little-endian f32). Blocks are random bits, with the scales set so that none is infinite or
not a number; the first blocks have extreme scales (zero, minus zero, the smallest subnormal, the
largest finite half, negative ones). Scales of one byte (MXFP4, NVFP4) take all values. src/tensor/dequantise_test.cc compares bit for bit.
Usage: scripts/make_format_fixtures.py [FOLDER]
"""
import pathlib
import sys

import gguf
import numpy as np

# Offsets of the half-precision fields in a block, by format.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [], "NVFP4": [],
    "TQ1_0": [52], "TQ2_0": [64], "IQ1_S": [0], "IQ1_M": [], "IQ2_XXS": [0], "IQ2_XS": [0],
    "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0],
}
EXTREME = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0x1400]


def halves(count: int, turn: int, rng: np.random.Generator) -> np.ndarray:
    """Random halves below infinity (exponent 30 at most) behind the extreme ones."""
    half = rng.integers(0, 0x7C00, count, dtype=np.uint16)
    half |= rng.integers(0, 2, count, dtype=np.uint16) << np.uint16(15)
    half[: len(EXTREME)] = np.roll(np.array(EXTREME, dtype=np.uint16), turn)
    return half


def set_scattered_half(blocks: np.ndarray, half: np.ndarray) -> None:
    """IQ1_M: the scale's four nibbles are the highest of four numbers."""
    for n in range(4):
        byte = blocks[:, 48 + 2 * n + 1]
        byte[:] = (byte & 0x0F) | (half >> np.uint16(4 * n) & 15).astype(np.uint8) << 4


def one_byte_scales(blocks: np.ndarray, scales: int) -> np.ndarray:
    """Enough blocks that every byte is a scale once."""
    blocks = np.resize(blocks, (256 // scales, blocks.shape[1]))
    blocks[:, :scales] = np.arange(256, dtype=np.uint8).reshape(-1, scales)
    return blocks


def blocks_of(name: str, rng: np.random.Generator) -> np.ndarray:
    values, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    count = len(EXTREME) + (6 if values == 32 else 2)
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at, offset in enumerate(HALVES[name]):
        half = halves(count, 3 * at, rng)
        blocks[:, offset : offset + 2] = half.astype("<u2").view(np.uint8).reshape(count, 2)
    if name == "IQ1_M":
        set_scattered_half(blocks, halves(count, 0, rng))
    if name == "MXFP4":
        blocks = one_byte_scales(blocks, 1)
    if name == "NVFP4":
        blocks = one_byte_scales(blocks, 4)
    return blocks


def bf16_blocks(rng: np.random.Generator) -> np.ndarray:
    bits = rng.integers(0, 0x10000, 200, dtype=np.uint16)
    bits[:8] = [0, 0x8000, 1, 0x7F, 0x80, 0x7F7F, 0x7F80, 0xFF80]
    bits = bits[((bits & 0x7F80) != 0x7F80) | ((bits & 0x7F) == 0)]
    return bits.astype("<u2").view(np.uint8).reshape(1, -1)


def main() -> None:
    root = pathlib.Path(__file__).resolve().parent.parent
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root / "tests/golden/formats"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240601)
    for name in [*list(HALVES)[:8], "BF16", *list(HALVES)[8:]]:  # a new one goes last: its numbers come from the same stream
        stored = bf16_blocks(rng) if name == "BF16" else blocks_of(name, rng)
        kind = gguf.GGMLQuantizationType[name]
        values = np.ascontiguousarray(gguf.quants.dequantize(stored, kind)).astype("<f4")
        (folder / f"{name}.blocks").write_bytes(stored.tobytes())
        (folder / f"{name}.f32").write_bytes(values.tobytes())
        print(f"{name}: {stored.size} bytes, {values.size} values, gguf and numpy {np.__version__}")


if __name__ == "__main__":
    main()
