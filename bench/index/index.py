#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""YCSB's mixes: the ordered index beside other maps.

Usage: index.py [--rounds N] [--keys N,...] [--threads T,...] [--zipf no|yes|both] [--operations M]
                [--contenders NAME,...] [--cpu-time] [--latency] [--json FILE] [--program BENCH]
Every contender runs once per round in a process of its own, in alternating order. The tables give
millions of operations per second, medians and [ranges] of all rounds, and ours over each other's: the
median and [range] of the rounds' ratios. --cpu-time counts processor time, for one thread on a machine
that is not quiet. All contenders are offered huge pages.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = "cairn"
CONTENDERS = (OURS, "tbb", "skiplist", "btree", "map")
WORKLOADS = {"load": "load", "a": "A, half inserts", "b": "B, 5 % inserts", "c": "C, look-ups",
             "e": "E, scans"}


def run(options, contender: str, keys: int, threads: int, *more: str) -> dict:
    command = [str(options.program), contender, "--keys", str(keys), "--threads", str(threads),
               "--operations", str(options.operations), *more]
    # Ours asks for huge pages itself.
    environment = os.environ | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
                                "TBB_MALLOC_USE_HUGE_PAGES": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"index: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(options, contender: str, keys: int, threads: int, zipf: bool) -> dict[str, float]:
    more = ["--zipf"] * zipf + ["--cpu-time"] * options.cpu_time
    return run(options, contender, keys, threads, *more)["mops"]


def summary(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def cell(s: dict[str, float]) -> str:
    return f"{s['median']:.2f} [{s['min']:.2f} {s['max']:.2f}]"


def compare(options, keys: int, threads: int, zipf: bool) -> dict:
    runs: dict[str, list[dict[str, float]]] = {c: [] for c in options.contenders}
    for number in range(options.rounds):
        for contender in options.contenders[::-1 if number % 2 else 1]:
            runs[contender].append(measure(options, contender, keys, threads, zipf))
    result: dict = {"keys": keys, "threads": threads, "zipf": zipf, "rounds": options.rounds,
                    "rows": {}}
    for name in WORKLOADS:
        values = {c: [run[name] for run in rs] for c, rs in runs.items()}
        result["rows"][name] = {
            "mops": {c: summary(v) for c, v in values.items()},
            "ours_to": {c: summary([a / b for a, b in zip(values[OURS], v)])
                        for c, v in values.items() if c != OURS}}
    return result


def table(result: dict) -> str:
    first = next(iter(result["rows"].values()))
    others = list(first["ours_to"])
    lines = [f"{result['keys']:,} keys, {result['threads']} threads, "
             f"{'Zipf 0.99' if result['zipf'] else 'uniform'}, {result['rounds']} rounds; "
             "millions of operations per second, ours over theirs", "",
             "| workload | " + " | ".join([*first["mops"], *(f"ours : {c}" for c in others)]) + " |",
             "|---" * (1 + len(first["mops"]) + len(others)) + "|"]
    for name, row in result["rows"].items():
        cells = [cell(s) for s in (*row["mops"].values(), *row["ours_to"].values())]
        lines.append(f"| {WORKLOADS[name]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


LATENCY_KEYS = 1_000_000


def latencies(options, threads: int) -> str:
    """Medians over the rounds of each percentile, in microseconds."""
    runs: dict[str, list[dict[str, int]]] = {c: [] for c in options.contenders}
    for number in range(options.rounds):
        for contender in options.contenders[::-1 if number % 2 else 1]:
            runs[contender].append(run(options, contender, LATENCY_KEYS, threads, "--latency")["ns"])
    lines = [f"{LATENCY_KEYS:,} keys, {threads} threads, half inserts, each operation alone, "
             f"{options.rounds} rounds; microseconds", "",
             "| map | p50 | p99 | p99.9 | longest |", "|---|---|---|---|---|"]
    for contender, rows in runs.items():
        cells = [f"{statistics.median(row[p] for row in rows) / 1e3:.2f}" for p in rows[0]]
        lines.append(f"| {contender} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def numbers(text: str) -> list[int]:
    return [int(word.replace("_", "")) for word in text.split(",")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keys", type=numbers, default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--zipf", choices=("no", "yes", "both"), default="both")
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--contenders", type=lambda text: text.split(","), default=list(CONTENDERS))
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--latency", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--program", type=Path, default=ROOT / "build/bench/bench/index/index_bench")
    options = parser.parse_args()
    if not options.program.exists():
        raise SystemExit(f"index: {options.program} is not built; `make bench-index` builds it")
    if OURS not in options.contenders or not set(options.contenders) <= set(CONTENDERS):
        raise SystemExit(f"index: contenders are {', '.join(CONTENDERS)}, {OURS} always among them")
    if options.latency:
        for threads in (2, 8):
            print(latencies(options, threads), flush=True)
        return 0
    results = []
    for keys in options.keys:
        for threads in options.threads:
            for zipf in {"no": (False,), "yes": (True,), "both": (False, True)}[options.zipf]:
                results.append(compare(options, keys, threads, zipf))
                print(table(results[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
