#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Decoding on a machine that is shared: tokens/s alone and beside busy loops, in alternating rounds.

Usage: shared_load.py [--rounds N] [--threads N] [--loads 0,1,2] [--cairn NAME=PROGRAM]... MODEL
                      [--llama PYTHON]
A load of N is N processes that never sleep. Every program decodes --tokens tokens of one sequence
under every load once per round; the table gives medians, [ranges], and the share of the speed
alone. The fair share of T threads on C cores beside N loops is about min(1, C / (T + N) * T / C).
--cairn may be given several times, to compare builds. --llama names a Python that has
llama-cpp-python; it is measured as `scripts/bench` does it.
"""
import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from speed.peers import Process  # noqa: E402
from speed.rows import Task  # noqa: E402

DEPTH = 32
# Ends with its parent, or by itself after ten minutes.
LOOP = ("import os,time\np=os.getppid()\ne=time.monotonic()+600\n"
        "while os.getppid()==p and time.monotonic()<e:\n for _ in range(10**6): pass\n")


@contextlib.contextmanager
def load(count: int):
    loops = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(count)]
    try:
        time.sleep(0.3 if count else 0)
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


class Cairn:
    def __init__(self, program: str, model: str, tokens: int, threads: int):
        self.command = [program, "bench", model, "-p", str(DEPTH), "-n", str(tokens), "-b", "1",
                        "-d", str(DEPTH), "-t", str(threads), "--rounds", "2", "--json"]

    def measure(self) -> float:
        done = subprocess.run(self.command, capture_output=True, text=True, check=True)
        results = json.loads(done.stdout)["results"]
        return next(r["tokens_per_s"]["median"] for r in results if r["name"] == "decode")


class Llama:
    def __init__(self, python: str, model: str, tokens: int, threads: int):
        self.process = Process("llama", python, model, threads)
        self.task = Task("decode", tokens, depth=DEPTH)

    def measure(self) -> float:
        return self.process.measure(self.task, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--loads", default="0,1,2")
    parser.add_argument("--cairn", action="append", metavar="NAME=PROGRAM")
    parser.add_argument("--llama", metavar="PYTHON")
    parser.add_argument("--json", type=Path)
    parser.add_argument("model")
    options = parser.parse_args()
    programs = {}
    for item in options.cairn or [f"Cairn={ROOT / 'build/release/cairn'}"]:
        name, path = item.split("=", 1)
        programs[name] = Cairn(path, options.model, options.tokens, options.threads)
    if options.llama:
        programs["llama.cpp"] = Llama(options.llama, options.model, options.tokens, options.threads)
    loads = [int(n) for n in options.loads.split(",")]
    rates: dict[str, dict[int, list[float]]] = {p: {n: [] for n in loads} for p in programs}
    for number in range(options.rounds):
        for count in loads:
            for name in programs if number % 2 == 0 else reversed(programs):
                with load(count):
                    rates[name][count].append(programs[name].measure())
                print(f"round {number + 1}, {count} busy loops: {name} "
                      f"{rates[name][count][-1]:.1f}", file=sys.stderr, flush=True)
    for name, by_load in rates.items():
        alone = statistics.median(by_load[loads[0]])
        for count, values in by_load.items():
            median = statistics.median(values)
            print(f"{name:12} {count} busy loops {median:8.1f} tokens/s "
                  f"[{min(values):.1f} {max(values):.1f}]  {100 * median / alone:4.0f} %")
    if options.json:
        options.json.write_text(json.dumps(rates, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
