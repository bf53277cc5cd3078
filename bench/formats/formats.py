#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The matmul of every weight format beside ggml's on the same tensor, on one thread.

Usage: formats.py [--rounds N] [--repeats N] [--formats A,B] [--isa NAME] [--peer PYTHON] [--json FILE]
                  [--program BENCH]
Prefill: 2048 outputs of 2048 inputs for 128 rows of activations. Decode: one row over at least 96 MB
of weights as stored. Both sides quantise the activations inside the time. Sides take turns, in
processes of their own; a cell is the median of the rounds' best times and the ratio the median
[range] of the rounds' ratios. Times are processor time.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLS, ROWS, COLUMNS = 2048, 2048, 128


def lines(command: list[str]) -> dict[str, dict]:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"formats: {command[0]} failed: {done.stderr.strip()}")
    rows = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return {row["format"]: row for row in rows}


def run_ours(options, folder: str) -> dict[str, dict]:
    more = ["--isa", options.isa] * bool(options.isa)
    more += ["--formats", options.formats] * bool(options.formats)
    return lines([str(options.program), "--folder", folder, "--repeats", str(options.repeats), *more])


def run_peer(options, folder: str, shapes: dict[str, dict]) -> dict[str, dict]:
    words = [f"{n}={s['type']}:{s['stored']}:{s['rows']}" for n, s in shapes.items()]
    return lines([options.peer, str(Path(__file__).parent / "peer.py"), folder,
                  str(options.repeats), *words])


def ratio(ours: list[float], theirs: list[float]) -> str:
    """How many times faster we are."""
    ratios = sorted(b / a for a, b in zip(ours, theirs))
    return f"{statistics.median(ratios):.2f} [{ratios[0]:.2f} {ratios[-1]:.2f}]"


def differ(ours: list[float], theirs: list[float]) -> float:
    """Both are the same product within what rounding of the activations loses."""
    size = max(abs(v) for v in theirs)
    return max(abs(a - b) for a, b in zip(ours, theirs)) / size if size else 0


def table(rounds: list[tuple[dict, dict]]) -> list[str]:
    text = ["| format | packed / stored bytes | prefill, GOP/s | ggml | times as fast | decode, Gweights/s "
            "| ggml | times as fast | ggml's buffer |", "|---|---|---|---|---|---|---|---|---|"]
    for name, first in rounds[0][0].items():
        cells = [name, f"{first['packed'] / first['stored']:.2f}"]
        for what, work, unit in (("prefill", 2 * COLS * ROWS * COLUMNS, 1e9),
                                 ("decode", first["rows"] * COLS, 1e9)):
            ours = [r[0][name][what] for r in rounds]
            theirs = [r[1][name][what] for r in rounds]
            cells += [f"{work / statistics.median(ours) / unit:.1f}",
                      f"{work / statistics.median(theirs) / unit:.1f}", ratio(ours, theirs)]
        text.append(f"| {' | '.join(cells)} | {rounds[0][1][name]['buffer']} |")
        if (loss := differ(first["sample"], rounds[0][1][name]["sample"])) > 0.05:
            print(f"formats: {name}: products differ by {loss:.3f} of the largest", file=sys.stderr)
    return text


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--formats", default="")
    parser.add_argument("--isa", default="")
    parser.add_argument("--peer", default=str(ROOT / ".venv-peers/bin/python"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--program", type=Path, default=ROOT / "build/bench/bench/formats/format_bench")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        only = ["--formats", options.formats] * bool(options.formats)
        subprocess.run([str(options.program), "--folder", folder, "--write", *only], check=True)
        rounds = []
        for number in range(options.rounds):
            if number % 2 and rounds:
                theirs = run_peer(options, folder, rounds[0][0])
                rounds.append((run_ours(options, folder), theirs))
            else:
                ours = run_ours(options, folder)
                rounds.append((ours, run_peer(options, folder, ours)))
    if options.json:
        options.json.write_text(json.dumps(rounds))
    print("\n".join(table(rounds)))


if __name__ == "__main__":
    main()
