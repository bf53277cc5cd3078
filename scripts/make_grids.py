#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/tensor/grids.cc, the tables of the grid formats, from the installed gguf package.

Needs numpy and gguf. The package's tables are taken as values; each value becomes its digit (its
rank among the values of that table). Usage: scripts/make_grids.py [FILE]
"""
import pathlib
import sys

import numpy as np
from gguf import quants

# Our name, the package's class, bits from one digit to the next.
TABLES = [("kGridIq1", quants.IQ1_S, 2), ("kGridIq2Xxs", quants.IQ2_XXS, 2),
          ("kGridIq2Xs", quants.IQ2_XS, 2), ("kGridIq2S", quants.IQ2_S, 2),
          ("kGridIq3Xxs", quants.IQ3_XXS, 4), ("kGridIq3S", quants.IQ3_S, 4)]
HEAD = """// SPDX-License-Identifier: Apache-2.0
// Written by scripts/make_grids.py: not for reading. See grids.h.
#include "tensor/grids.h"

namespace cairn::tensor {

// clang-format off
"""


def entries(kind: type, bits: int) -> np.ndarray:
    kind.init_grid()
    values = kind.grid.reshape(kind.grid_shape)
    digits = np.searchsorted(np.array(kind.grid_map, dtype=np.float32), values).astype(np.uint16)
    assert (np.array(kind.grid_map, dtype=np.float32)[digits] == values).all()
    shifts = np.arange(digits.shape[1], dtype=np.uint16) * np.uint16(bits)
    return np.bitwise_or.reduce(digits << shifts, axis=1)


def main() -> None:
    root = pathlib.Path(__file__).resolve().parent.parent
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root / "src/tensor/grids.cc"
    text = HEAD
    for name, kind, bits in TABLES:
        numbers = [f"{n:#x}," for n in entries(kind, bits)]
        text += f"const std::uint16_t {name}[{len(numbers)}] = {{\n"
        for at in range(0, len(numbers), 14):
            text += "  " + "".join(numbers[at : at + 14]) + "\n"
        text += "};\n"
    path.write_text(text + "// clang-format on\n\n}  // namespace cairn::tensor\n")


if __name__ == "__main__":
    main()
