#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""KV memory: the two backends over one trace, and what pages cost attention.

Usage: kv.py [--rounds N] [--programs FOLDER]
The first part is kv_backends as it stands. The second runs the attention kernel, built for tiles of
16, 64 and 256 positions, in alternating order: medians and [ranges] of the rounds' medians, processor
time. docs/kv.md says what they mean.
"""
import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TILES = (16, 64, 256)


def instruction_set() -> str:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    if "avx512_vnni" in flags:
        return "avx512"
    if " avx2" in flags:
        return "avx2"
    raise SystemExit("kv: the attention part needs a machine with AVX2")


def run(program: Path) -> str:
    done = subprocess.run([str(program)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"kv: {program.name} failed: {done.stderr.strip()}")
    return done.stdout


def attention(options) -> str:
    isa = instruction_set()
    medians: dict[tuple, list[float]] = {}
    for number in range(options.rounds):
        for tile in TILES[::-1 if number % 2 else 1]:
            for line in run(options.programs / f"attend_tiles_{tile}_{isa}").splitlines():
                row = json.loads(line)
                medians.setdefault((row["rows"], tile, row["places"]), []).append(row["us"][0])
    base = {rows: statistics.median(medians[rows, 64, "side by side"]) for rows in (1, 64)}
    lines = [f"attention at 4,096 positions, {isa}, us per KV head, {options.rounds} rounds", "",
             "| rows | tile | places | us | to 64 side by side |", "|---|---|---|---|---|"]
    for (rows, tile, places), values in sorted(medians.items()):
        middle = statistics.median(values)
        lines.append(f"| {rows} | {tile} | {places} | {middle:.1f} [{min(values):.1f} "
                     f"{max(values):.1f}] | {middle / base[rows]:.2f} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--programs", type=Path, default=ROOT / "build/bench/bench/kv")
    options = parser.parse_args()
    if not (options.programs / "kv_backends").exists():
        raise SystemExit("kv: the programs are not built; `make bench-kv` builds them")
    print(run(options.programs / "kv_backends"), flush=True)
    print(attention(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
