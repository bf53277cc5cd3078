# SPDX-License-Identifier: Apache-2.0
"""The page of `make bench`: goals are judged as they are meant, and what people wrote stays."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from speed import report  # noqa: E402
from speed.peers import PeerFailed, Process  # noqa: E402
from speed.rows import LLAMA, OPENVINO, OURS, OURS_Q8, ROWS, Goal  # noqa: E402

NAMED = {row.name: row for row in ROWS}


def figure(value: float, share: float | None = None) -> dict:
    return {"median": value, "min": value, "max": value} | ({} if share is None else {"share": share})


RESULTS = {
    OURS: {"prefill 512": figure(150), "decode": figure(100, 0.88), "AVX2, decode": figure(94, 0.8),
           "memory after load": figure(120, 1.01), "start to first token, 32 tokens": figure(0.2)},
    OURS_Q8: {"prefill 512": figure(200)},
    LLAMA: {"prefill 512": figure(30), "start to first token, 32 tokens": figure(0.3)},
    OPENVINO: {"prefill 512": figure(100), "start to first token, 32 tokens": figure(0.1)},
}


@pytest.mark.parametrize("row,goal,judged", [
    ("prefill 512", Goal(1.5), ("1.50x", True)),
    ("prefill 512", Goal(1.6), ("1.50x", False)),
    ("prefill 512", Goal(2, column=OURS_Q8), ("2.00x", True)),
    ("prefill 512", Goal(5.5, LLAMA), ("5.00x", False)),
    ("decode", Goal(0.88, "share"), ("88 %", True)),
    ("decode", Goal(0.89, "share"), ("88 %", False)),
    ("AVX2, decode", Goal(0.95, "decode"), ("0.94x", False)),
    ("memory after load", Goal(1, "most share"), ("101 %", False)),
    ("start to first token, 32 tokens", Goal(0.25, "most"), ("0.200", True)),
    ("start to first token, 32 tokens", Goal(1), ("0.50x", False)),
    ("decode", Goal(2), None),
])
def test_goal_is_judged(row, goal, judged):
    assert report.judge(goal, NAMED[row], RESULTS) == judged


def test_every_goal_names_what_there_is():
    for row in ROWS:
        for goals in row.goals.values():
            for goal in goals:
                assert goal.against in {"best", "share", "most share", "most", LLAMA, *NAMED}


def test_losing_row_stands_in_the_table():
    text = report.table({"model": "smollm2", "threads": 2, "rounds": 1, "bandwidth_gb_s": 50,
                         "int8_tops": 1, "notes": [], "results": RESULTS})
    lost = next(line for line in text.splitlines() if line.startswith("| AVX2, decode"))
    assert "**no**, 0.94x" in lost


def test_page_keeps_other_machines_and_words_of_people():
    first = report.page("", "one", [])
    both = report.page(first + "\nSaid by hand.\n", "two", [])
    again = report.page(both.replace("## one", "## old"), "one", [])
    assert again == both
    assert again.count("<!-- begin ") == 2 and again.endswith("\nSaid by hand.\n")


def test_peer_that_cannot_start_says_why():
    with pytest.raises(PeerFailed, match="ModuleNotFoundError|cannot load"):
        Process("llama", sys.executable, "none.gguf", 1)
