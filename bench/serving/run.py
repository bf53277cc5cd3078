# SPDX-License-Identifier: Apache-2.0
"""The alternating run: in every round, scenario by scenario, every side once."""
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from speed.peers import Process
from speed.rows import Task

from . import sides
from .rows import BENCH, OURS, PEER, SHARE_OF_CAPACITY
from .trace import trace_file

DEPTH, STEPS, BATCHES = 128, 64, [8, 32]
MEMORY_REQUESTS, MEMORY_BUDGET = 60, "256M"  # several times what the budget holds

Samples = dict[str, dict[str, list[dict]]]  # by scenario and column


@dataclass
class Settings:
    driver: Path   # serving_bench
    program: Path  # cairn
    peer: Path     # llama-server
    rounds: int
    threads: int
    clients: int
    seed: int
    requests: int  # of the trace; 0: all
    scenarios: list[str]
    columns: list[str]
    keep: Callable[[], None]  # called after each measurement: a long run may be cut short


class Model:
    """One model's scenarios."""

    def __init__(self, name: str, path: str, settings: Settings, samples: Samples):
        self.name, self.path, self.settings, self.samples = name, path, settings, samples
        self.trace = trace_file(settings.program, name, path, settings.seed)
        self.requests = json.loads(self.trace.read_text())["requests"]
        if settings.requests:
            self.requests = self.requests[:settings.requests]

    def run(self) -> None:
        for number in range(self.settings.rounds):
            for scenario in self.settings.scenarios:
                works = self.works(scenario)
                columns = [c for c in works if c in self.settings.columns]
                for column in columns if number % 2 == 0 else reversed(columns):
                    figures = works[column]()
                    self.samples.setdefault(scenario, {}).setdefault(column, []).append(figures)
                    self.settings.keep()
                    print(f"round {number + 1}: {self.name}: {scenario}: {column}: "
                          f"{json.dumps(figures)}", file=sys.stderr, flush=True)

    def ours(self, scenario: str, *arguments: str) -> dict:
        s = self.settings
        return sides.ours(s.driver, self.path, s.threads, scenario, *arguments)

    def works(self, scenario: str) -> dict:
        """What each column does."""
        s = self.settings
        trace = [str(self.trace), "--requests", str(len(self.requests))]
        if scenario == "closed":
            return {OURS: lambda: self.ours("play", *trace, "--clients", str(s.clients)),
                    PEER: lambda: self.theirs(0)}
        if scenario == "poisson":
            rate = self.rate()
            return {OURS: lambda: self.ours("play", *trace, "--rate", f"{rate:.4f}") | {"rate": rate},
                    PEER: lambda: self.theirs(rate) | {"rate": rate}}
        if scenario == "decode":
            return {OURS: lambda: self.ours("decode", "--depth", str(DEPTH), "--tokens", str(STEPS)),
                    BENCH: self.bench, PEER: self.batched}
        if scenario == "memory":
            trace[-1] = str(min(MEMORY_REQUESTS, len(self.requests)))
            return {OURS: lambda: self.ours("memory", *trace, "--kv-memory", MEMORY_BUDGET)}
        return {OURS: lambda: self.ours(scenario)}

    def theirs(self, rate: float) -> dict:
        s = self.settings
        return sides.theirs(s.peer, self.path, s.threads, self.requests, s.clients, rate)

    def bench(self) -> dict:
        s = self.settings
        rates = sides.cairn_bench(s.program, self.path, s.threads, BATCHES, DEPTH, STEPS)
        return {batch: {"tokens_per_s": rate} for batch, rate in rates.items()}

    def batched(self) -> dict:
        """llama.cpp decoding together what needs no scheduler, as `make bench` measures it."""
        peer = Process("llama", sys.executable, self.path, self.settings.threads)
        rates = {str(batch): {"tokens_per_s": peer.measure(
            Task("decode", STEPS, batch=batch, depth=DEPTH), batch)} for batch in BATCHES}
        peer.close()
        return rates

    def rate(self) -> float:
        found = self.samples.get("closed", {}).get(PEER)
        if not found:
            raise SystemExit("bench-serving: arrivals need the peer's closed loop first (scenario "
                             "closed, or --continue after it)")
        capacity = statistics.median(figures["requests_per_s"] for figures in found)
        return SHARE_OF_CAPACITY * capacity
