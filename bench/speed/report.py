# SPDX-License-Identifier: Apache-2.0
"""What came out, as Markdown: a table per model, and its place in docs/performance.md."""
import os
import platform
import re
from pathlib import Path

from .rows import OURS, OURS_Q8, PEERS, ROWS, Goal, Row

HEADER = """# Performance

Written by `make bench`: every program once per round, in alternating order, on the same file; medians
and [ranges] of all rounds. Each kind of machine has a part of its own, which a run on such a machine
replaces; the rest of this page stays.
"""
LEGEND = """tokens/s where the row says nothing else. *To best peer* is the ratio of the medians, f16 KV and q8 KV;
*best rounds* the same of everybody's best round, since a host that others share slows one process or the other.
*Of the limit*: a prefill's matmuls of the int8 peak, a decode's weights and KV of the read bandwidth,
both measured in the same processes; memory of what is allowed. OpenVINO keeps its KV in 8 bits by its
own choice. AVX2 rows: ours under `CAIRN_ISA=avx2`, llama.cpp built for AVX2. A peer's start is
measured inside its process, after its libraries are loaded; ours is the whole process.
"""


def number(value: float) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def cell(result: dict | None) -> str:
    if result is None:
        return "-"
    return f"{number(result['median'])} [{number(result['min'])} {number(result['max'])}]"


def best_round(row: Row) -> str:
    return "min" if row.unit == "s" else "max"


def best_peer(results: dict, row: Row, of: str = "median") -> float | None:
    """The best of the peers: the highest speed, or the shortest time."""
    found = [results[p][row.name][of] for p in PEERS if row.name in results.get(p, {})]
    if not found:
        return None
    return min(found) if row.unit == "s" else max(found)


def ratio_to(theirs: float | None, ours: dict | None, row: Row, of: str = "median") -> float | None:
    """Above 1: ours is faster."""
    if theirs is None or ours is None:
        return None
    return theirs / ours[of] if row.unit == "s" else ours[of] / theirs


def judge(goal: Goal, row: Row, results: dict) -> tuple[str, bool] | None:
    """What was reached of a goal, and whether that is enough; None where it was not measured."""
    of_column = results.get(goal.column, {})
    ours = of_column.get(row.name)
    if ours is None:
        return None
    if goal.against == "most":
        return number(ours["median"]), ours["median"] <= goal.bound
    if goal.against in ("share", "most share"):
        share = ours["share"]
        enough = share >= goal.bound if goal.against == "share" else share <= goal.bound
        return f"{100 * share:.0f} %", enough
    if goal.against == "best":
        theirs = best_peer(results, row)
    elif goal.against in PEERS:
        theirs = results.get(goal.against, {}).get(row.name, {}).get("median")
    else:
        theirs = of_column.get(goal.against, {}).get("median")
    ratio = ratio_to(theirs, ours, row)
    return None if ratio is None else (f"{ratio:.2f}x", ratio >= goal.bound)


def verdicts(row: Row, model: str, results: dict) -> tuple[str, str]:
    """The cells of the goals and of what was reached."""
    goals, reached = [], []
    for goal in row.goals_for(model):
        goals.append(goal.text())
        judged = judge(goal, row, results)
        reached.append("not measured" if judged is None else
                       f"{'yes' if judged[1] else '**no**'}, {judged[0]}")
    return "; ".join(goals) or "-", "; ".join(reached) or "-"


def shares(row: Row, results: dict) -> str:
    found = [results.get(c, {}).get(row.name, {}).get("share") for c in (OURS, OURS_Q8)]
    return ", ".join(f"{100 * s:.0f} %" for s in found if s is not None) or "-"


def ratios(row: Row, results: dict, of: str = "median") -> str:
    theirs = best_peer(results, row, of)
    found = [ratio_to(theirs, results.get(c, {}).get(row.name), row, of) for c in (OURS, OURS_Q8)]
    return ", ".join(f"{r:.2f}" for r in found if r is not None) or "-"


def table(report: dict) -> str:
    results = report["results"]
    columns = [c for c in (OURS, OURS_Q8, *PEERS) if c in results]
    head = ["row", *columns, "to best peer", "best rounds", "of the limit", "goal", "reached"]
    lines = [f"### {report['model']}", "",
             f"{report['threads']} threads, {report['rounds']} rounds; reads "
             f"{report['bandwidth_gb_s']:.1f} GB/s, int8 peak {report['int8_tops']:.2f} TOPS.", "",
             "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in ROWS:
        if not any(row.name in of for of in results.values()):
            continue
        name = row.name if row.unit == "tokens/s" else f"{row.name}, {row.unit}"
        cells = [cell(results[c].get(row.name)) for c in columns]
        lines.append("| " + " | ".join([name, *cells, ratios(row, results),
                                        ratios(row, results, best_round(row)), shares(row, results),
                                        *verdicts(row, report["model"], results)]) + " |")
    lines += [f"\nNote: {note}." for note in report["notes"]]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Which kind of machine: two of the same get the same name."""
    found = dict.fromkeys(("model name", "cpu family", "model"), "")
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() in found:
            found[key.strip()] = value.strip()
    cores = f"{len(os.sched_getaffinity(0))} cores"
    if not found["model name"]:
        return f"{platform.machine()}, {cores}"
    return f"{found['model name']} (family {found['cpu family']}, model {found['model']}), {cores}"


def page(before: str, name: str, reports: list[dict]) -> str:
    """The page with this machine's part in it, new or in place of the old one."""
    return splice(before, name, f"## {name}\n\n{LEGEND}\n" + "\n".join(map(table, reports)))


def splice(before: str, name: str, text: str) -> str:
    """The page with the text as its part of that name. A new one comes before the others."""
    new = f"<!-- begin {name} -->\n{text}<!-- end {name} -->\n"
    old = re.compile(rf"<!-- begin {re.escape(name)} -->\n.*?<!-- end {re.escape(name)} -->\n", re.S)
    if old.search(before):
        return old.sub(lambda _: new, before, count=1)
    head, found, rest = (before or HEADER).partition("<!-- begin ")
    return f"{head.rstrip()}\n\n{new}" + (f"\n{found}{rest}" if found else "")
