# SPDX-License-Identifier: Apache-2.0
"""The alternating run: in every round, group of rows by group of rows, every program once."""
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from .ours import Ours
from .peers import Peer
from .rows import ROWS, Row, Sample


@dataclass
class Settings:
    program: Path
    rounds: int
    threads: int
    groups: list[str]
    peers: dict[str, str]  # kind to the Python that runs it
    notes: list[str] = field(default_factory=list)

    def note(self, text: str, detail: object = "") -> None:
        """The text is for the page too; a library's own words may name files of this machine."""
        print(f"note: {text}{': ' if detail else ''}{detail}", file=sys.stderr, flush=True)
        self.notes.append(text)


def summary(samples: list[Sample]) -> dict:
    values = [s.value for s in samples]
    result = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    if samples[0].share is not None:
        result["share"] = statistics.median(s.share for s in samples)
    return result


def compare(model: str, path: str, settings: Settings, earlier: dict | None = None) -> dict:
    """Everything of one model; the peers' models stay loaded, idle, while others run. `earlier`: what
    a run before gave, to which the rounds are added."""
    earlier = earlier or {"rounds": 0, "bandwidth_gb_s": 0, "int8_tops": 0, "notes": [], "samples": {}}
    first_note = len(settings.notes)
    ours = [Ours(settings.program, path, settings.threads, kv) for kv in ("f16", "q8")]
    peers = [Peer(kind, python, path, settings.threads, settings.note)
             for kind, python in settings.peers.items()]
    samples = {column: {row: [Sample(*s) for s in of] for row, of in rows.items()}
               for column, rows in earlier["samples"].items()}
    for program in ours + peers:
        samples.setdefault(program.column, {})
    seconds: dict[str, dict[str, float]] = {}
    for number in range(earlier["rounds"], earlier["rounds"] + settings.rounds):
        for group in settings.groups:
            rows = [row for row in ROWS if row.group == group]
            programs = [*ours, *peers]
            for program in programs if number % 2 == 0 else reversed(programs):
                begin = time.perf_counter()
                measure(program, rows, number, samples[program.column])
                spent = seconds.setdefault(group, {})
                spent[program.column] = (spent.get(program.column, 0) + time.perf_counter() - begin)
            print(f"round {number + 1}: {model}: {group}", file=sys.stderr, flush=True)
    for peer in peers:
        peer.close()
    machine = [figures for program in ours for figures in program.machine]
    notes = earlier["notes"] + settings.notes[first_note:]
    return {"model": model, "rounds": earlier["rounds"] + settings.rounds,
            "threads": settings.threads,
            "bandwidth_gb_s": max((m[0] for m in machine), default=earlier["bandwidth_gb_s"]),
            "int8_tops": max((m[1] for m in machine), default=earlier["int8_tops"]),
            "notes": list(dict.fromkeys(notes)), "seconds": seconds,
            "samples": {column: {row: [[s.value, s.share] for s in of] for row, of in rows.items()}
                        for column, rows in samples.items()},
            "results": {column: {row: summary(s) for row, s in rows.items()}
                        for column, rows in samples.items() if rows}}


def measure(program: Ours | Peer, rows: list[Row], number: int,
            samples: dict[str, list[Sample]]) -> None:
    # Another seed every round: a peer must not find its prompt again.
    for name, sample in program.measure(rows, number + 2).items():
        samples.setdefault(name, []).append(sample)
