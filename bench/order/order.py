#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the canonical order of sums costs, and a free order as proposer. Start it with `make bench-order`.

Usage: order.py [--programs FOLDER] [--cairn PROGRAM] [ARGUMENT...]
Runs order_<isa> (order.cc says what it measures) for both models over a text of the repository; arguments
go to it. docs/systems.md, row 13, says what the figures mean.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/kv"))

from kv import instruction_set  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=Path, default=ROOT / "build/bench/bench/order")
    parser.add_argument("--cairn", type=Path, default=ROOT / "build/release/cairn")
    options, more = parser.parse_known_args()
    program = options.programs / f"order_{instruction_set()}"
    for name in ("smollm2", "gemma3"):
        subprocess.run([options.cairn, "pull", name], check=True, stdout=subprocess.DEVNULL)
        shown = subprocess.run([options.cairn, "show", name, "--json"], check=True, capture_output=True)
        path = json.loads(shown.stdout)["path"]
        done = subprocess.run([program, path, ROOT / "tests/data/persuasion.txt", *more], check=False)
        if done.returncode:
            return done.returncode
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
