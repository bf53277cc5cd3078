#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""STREAM and empty regions: ours beside OpenMP, threads by hand and std::execution over TBB.

Usage: stream.py [--rounds N] [--elements N] [--repeats R] [--threads T] [--sweep] [--json FILE]
                 [--device loopback] [--program BENCH]
Every contender runs once per round in a process of its own, in alternating order; the tables give
medians and [ranges] of all rounds, and of ours against each other contender the median and [range] of
the rounds' ratios with a 95 % bootstrap interval of that median. --sweep: arrays of 1e3 to 1e8
elements instead (as far as memory goes), triad only: where the cost of a region ends to show.
--device loopback: our loops on the loopback device alone, checked; its speed is one thread's and says
nothing. A run without options ends with that check.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = "cairn"
CONTENDERS = (OURS, "openmp", "threads", "tbb")
LOOPS = ("copy_loop", "copy_memmove", "scale", "add", "triad")


def measure(options, contender: str, elements: int, repeats: int, empty: int) -> dict:
    command = [str(options.program), contender, "--repeats", str(repeats), "--empty", str(empty)]
    if elements:
        command += ["--elements", str(elements)]
    if options.threads:
        command += ["--threads", str(options.threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"stream: {done.stderr.strip()}")
    return json.loads(done.stdout)


def rounds_of(options, elements: int, repeats: int, empty: int) -> dict[str, list[dict]]:
    runs: dict[str, list[dict]] = {c: [] for c in CONTENDERS}
    for number in range(options.rounds):
        for contender in CONTENDERS if number % 2 == 0 else reversed(CONTENDERS):
            runs[contender].append(measure(options, contender, elements, repeats, empty))
    return runs


def summary(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(ours: list[float], theirs: list[float]) -> dict:
    """Of paired rounds, and what resampling the rounds says about their median."""
    pairs = [a / b for a, b in zip(ours, theirs)]
    source = random.Random(7)
    medians = sorted(statistics.median(source.choices(pairs, k=len(pairs))) for _ in range(2000))
    return summary(pairs) | {"low": medians[50], "high": medians[1949]}


def cell(s: dict, digits: int) -> str:
    return f"{s['median']:.{digits}f} [{s['min']:.{digits}f} {s['max']:.{digits}f}]"


def report(runs: dict[str, list[dict]]) -> dict:
    result: dict = {"threads": runs[OURS][0]["threads"], "elements": runs[OURS][0]["elements"],
                    "repeats": runs[OURS][0]["repeats"], "rounds": len(runs[OURS]), "rows": {}}
    for name in (*LOOPS, "empty_ns"):
        values = {c: [r["gb_s"][name] if name in LOOPS else r[name] for r in rs]
                  for c, rs in runs.items()}
        result["rows"][name] = {
            "values": {c: summary(v) for c, v in values.items()},
            "ours_to": {c: ratios(values[OURS], values[c]) for c in CONTENDERS if c != OURS}}
    return result


def on_loopback(options) -> dict:
    """Our template with the types of the device; the program fails where the arrays are wrong."""
    row = measure(options, "loopback", options.elements or 1_000_000, options.repeats, 100)
    print(f"loopback device: the loops of STREAM over 3 arrays of {row['elements']} doubles, "
          f"{row['repeats']} repeats, are right (mean error {row['error']:.1g})")
    return row


def table(result: dict) -> str:
    lines = [f"{result['threads']} threads, 3 arrays of {result['elements']} doubles, best of "
             f"{result['repeats'] - 1} repeats, {result['rounds']} rounds; GB/s, empty region in ns",
             "", "| loop | " + " | ".join(CONTENDERS) + " |", "|---" * (len(CONTENDERS) + 1) + "|"]
    for name, row in result["rows"].items():
        cells = [cell(row["values"][c], 2 if name in LOOPS else 0) for c in CONTENDERS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| ours : theirs | " + " | ".join(CONTENDERS[1:]) + " |",
              "|---" * len(CONTENDERS) + "|"]
    for name, row in result["rows"].items():
        cells = [f"{cell(r, 3)}, 95 %: {r['low']:.3f} to {r['high']:.3f}"
                 for r in row["ours_to"].values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sweep(options) -> list[dict]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    print("| elements | " + " | ".join(f"{c}, us" for c in CONTENDERS) + " |")
    print("|---" * (len(CONTENDERS) + 1) + "|")
    rows = []
    for exponent in range(6, 17):
        elements = int(10 ** (exponent / 2))
        if 3 * 8 * elements > memory // 4:
            break
        repeats = max(5, min(2000, 10 ** 8 // elements))
        runs = rounds_of(options, elements, repeats, 1)
        times = {c: summary([24 * elements / (r["gb_s"]["triad"] * 1e3) for r in rs])
                 for c, rs in runs.items()}
        rows.append({"elements": elements, "triad_us": times})
        print(f"| {elements} | " + " | ".join(cell(times[c], 2) for c in CONTENDERS) + " |",
              flush=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--elements", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--empty", type=int, default=20000)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--device", choices=["loopback"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--program", type=Path,
                        default=ROOT / "build/bench/bench/parallel/stream_bench")
    options = parser.parse_args()
    if not options.program.exists():
        raise SystemExit(f"stream: {options.program} is not built; `make stream` builds it")
    if options.device:
        result: object = on_loopback(options)
    elif options.sweep:
        result = sweep(options)
    else:
        rows = report(rounds_of(options, options.elements, options.repeats, options.empty))
        print(table(rows) + "\n")
        result = rows | {"loopback": on_loopback(options)}
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
