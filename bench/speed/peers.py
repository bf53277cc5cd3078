# SPDX-License-Identifier: Apache-2.0
"""The peers behind one interface, each served by a process of its own.

Served: `python -m speed.peers KIND MODEL THREADS`. Its first line out says how long the model took
from after the imports to the first token of a short prompt; then every line in is a task and every
line out its result. A process of its own keeps the libraries' threads and memory apart, and lets a
peer come from another Python environment.
"""
import contextlib
import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .rows import LLAMA, OPENVINO, Row, Sample, Task

PACKAGES = Path(__file__).resolve().parents[1]  # the folder that `speed` is found in
SHORT = 32  # tokens of the prompt that a start is measured with


@dataclass(frozen=True)
class Kind:
    column: str
    module: str             # of this package, with a class Worker
    tasks: tuple[str, ...]  # kinds of tasks that it can do
    isa: str = ""           # the only instruction set whose rows it is measured in
    most_batch: int = 1
    most_depth: int = 1 << 30


KINDS = {
    "llama": Kind(LLAMA, "worker_llama", ("prefill", "decode", "start"), most_batch=512),
    "openvino": Kind(OPENVINO, "worker_openvino", ("prefill", "decode", "start"), most_depth=2048),
    "llama-avx2": Kind(LLAMA, "worker_llama", ("prefill", "decode"), isa="avx2", most_batch=512),
}


class PeerFailed(RuntimeError):
    pass


class Process:
    """One running peer with a model loaded."""

    def __init__(self, kind: str, python: str, model: str, threads: int):
        self.process = subprocess.Popen(
            [python, "-m", "speed.peers", kind, model, str(threads)],
            env=os.environ | {"PYTHONPATH": str(PACKAGES)}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.start_seconds = self.answer()

    def answer(self) -> float:
        line = self.process.stdout.readline()
        answer = json.loads(line) if line.strip() else {"error": "it ended without a word"}
        if "error" in answer:
            raise PeerFailed(answer["error"])
        return answer["value"]

    def measure(self, task: Task, seed: int) -> float:
        self.process.stdin.write(json.dumps({"task": task.as_json(), "seed": seed}) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it may have ended by itself
            self.process.stdin.close()
        self.process.wait()


class Peer:
    """A column of the page. What it cannot do it leaves out, and says so once."""

    def __init__(self, kind: str, python: str, model: str, threads: int, note):
        self.kind, self.note = KINDS[kind], note
        self.column = self.kind.column
        self.open = lambda: Process(kind, python, model, threads)
        self.process: Process | None = None
        self.failed: set[str] = set()
        try:
            self.process = self.open()
        except (PeerFailed, OSError) as error:
            note(f"{kind} cannot load {Path(model).name}", error)

    def can(self, row: Row) -> bool:
        task = row.task
        return (self.process is not None and row.name not in self.failed and
                task.kind in self.kind.tasks and task.isa == self.kind.isa and
                task.batch <= self.kind.most_batch and task.depth <= self.kind.most_depth)

    def measure(self, rows: list[Row], seed: int) -> dict[str, Sample]:
        samples = {}
        for row in filter(self.can, rows):
            try:
                samples[row.name] = Sample(self.measure_one(row.task, seed))
            except (PeerFailed, OSError) as error:
                self.failed.add(row.name)
                self.note(f"{self.column} failed in '{row.name}'", error)
        return samples

    def measure_one(self, task: Task, seed: int) -> float:
        if task.kind != "start":
            return self.process.measure(task, seed)
        fresh = self.open()
        fresh.close()
        return fresh.start_seconds

    def close(self) -> None:
        if self.process is not None:
            self.process.close()


def serve(kind: str, model: str, threads: int) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answers

    def attempt(work) -> bool:
        try:
            answer = {"value": work()}
        except Exception as error:  # the bench notes it and goes on
            answer = {"error": f"{type(error).__name__}: {str(error).strip()[:200]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        return "error" not in answer

    worker = None

    def start() -> float:
        nonlocal worker
        module = importlib.import_module(f".{KINDS[kind].module}", __package__)
        begin = time.perf_counter()
        worker = module.Worker(model, threads)
        worker.first_token(SHORT)
        return time.perf_counter() - begin

    if not attempt(start):
        return
    for line in sys.stdin:
        request = json.loads(line)
        attempt(lambda: worker.measure(Task(**request["task"]), request["seed"]))


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
