# SPDX-License-Identifier: Apache-2.0
"""Cairn: its own commands, each measurement in a process of its own."""
import json
import os
import statistics
import subprocess
import time
from pathlib import Path

from .rows import OURS, OURS_Q8, Row, Sample

REPEATS = 2  # measured rounds of a `cairn bench`, after one that warms up
MEGABYTE = 1e6
# The defaults of `cairn bench` would measure what no row asks for.
NO_PREFILL, NO_DECODE = ["-p", "1"], ["-n", "1", "-b", "1", "-d", "1"]


class Ours:
    def __init__(self, program: Path, model: str, threads: int, kv: str):
        self.column = OURS if kv == "f16" else OURS_Q8
        self.program, self.model = str(program), model
        self.options = ["-t", str(threads), "--kv", kv]
        self.kv = kv
        self.machine: list[tuple[float, float]] = []  # GB/s and TOPS that each run measured

    def measure(self, rows: list[Row], _seed: int) -> dict[str, Sample]:
        """All of them are of one group: they ask for the same instruction set and depth."""
        kind = rows[0].task.kind
        if kind in ("prefill", "decode"):
            return self.speeds(rows)
        if kind in ("outside", "matmuls"):
            return self.stages(rows)
        # Start and memory do not depend on how keys and values are kept.
        if self.kv != "f16":
            return {}
        return self.start(rows) if kind == "start" else self.memory(rows)

    def close(self) -> None:
        pass

    def run(self, arguments: list[str], isa: str = "") -> str:
        environment = os.environ | ({"CAIRN_ISA": isa} if isa else {})
        done = subprocess.run([self.program, *arguments, *self.options], capture_output=True,
                              text=True, env=environment, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise SystemExit(f"bench: {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
        return done.stdout

    def bench(self, arguments: list[str], isa: str = "") -> dict:
        report = json.loads(self.run(["bench", self.model, "--rounds", str(REPEATS), "--json",
                                      *arguments], isa))
        if not isa:
            self.machine.append((report["bandwidth_gb_s"], report["int8_tops"]))
        return report

    def speeds(self, rows: list[Row]) -> dict[str, Sample]:
        prompts = [r.task.tokens for r in rows if r.task.kind == "prefill"]
        decodes = [r.task for r in rows if r.task.kind == "decode"]
        arguments = ["-p", ",".join(map(str, prompts))] if prompts else [*NO_PREFILL]
        if decodes:
            arguments += ["-n", str(decodes[0].tokens), "-d", str(decodes[0].depth), "-b",
                          ",".join(str(task.batch) for task in decodes)]
        else:
            arguments += NO_DECODE
        results = {}
        for result in self.bench(arguments, rows[0].task.isa)["results"]:
            share = result.get("int8_share", result.get("bandwidth_share"))
            key = result["tokens"] if result["name"] == "prefill" else -result["batch"]
            results[key] = Sample(result["tokens_per_s"]["median"], share)
        return {r.name: results[r.task.tokens if r.task.kind == "prefill" else -r.task.batch]
                for r in rows}

    def stages(self, rows: list[Row]) -> dict[str, Sample]:
        report = self.bench(["--by-stage", "-p", str(rows[0].task.tokens), *NO_DECODE])
        stages = report["results"][0]["stages"]
        matmuls = [s for s in stages if s["part"] == "matmul"]
        share = sum(s["share"] for s in matmuls)
        tops = (sum(s["operations_per_step"] for s in matmuls) /
                sum(s["us_per_step"] for s in matmuls) / 1e6)
        values = {"outside": Sample(100 * (1 - share)),
                  "matmuls": Sample(tops, tops / report["int8_tops"])}
        return {r.name: values[r.task.kind] for r in rows}

    def prompt_of(self, tokens: int) -> str:
        """The words are one token each; what else a tokenizer adds is taken off."""
        asked = json.loads(self.run(["run", self.model, "the" + " the" * (tokens - 1), "--raw",
                                     "-n", "1", "--json"]))
        return "the" + " the" * (2 * tokens - asked["prompt_tokens"] - 1)

    def start(self, rows: list[Row]) -> dict[str, Sample]:
        """From before the process until after its end: one token is all it makes."""
        prompt = self.prompt_of(rows[0].task.tokens)
        seconds = []
        for _ in range(2 * REPEATS):
            begin = time.perf_counter()
            self.run(["run", self.model, prompt, "--raw", "-n", "1"])
            seconds.append(time.perf_counter() - begin)
        return {rows[0].name: Sample(statistics.median(seconds))}

    def memory(self, rows: list[Row]) -> dict[str, Sample]:
        load = self.bench([*NO_PREFILL, *NO_DECODE])["load"]
        allowed = 1.1 * load["file_bytes"] + load["step_buffer_bytes"] + 16 * MEGABYTE
        values = {"resident": Sample(load["resident_bytes"] / MEGABYTE,
                                     load["resident_bytes"] / allowed),
                  "peak": Sample(load["peak_bytes"] / MEGABYTE,
                                 load["peak_bytes"] / load["file_bytes"])}
        return {r.name: values[r.task.kind] for r in rows}
