# SPDX-License-Identifier: Apache-2.0
"""What came out, as Markdown: a table per model, and its place in docs/performance.md."""
import statistics

from speed.report import number, splice

from .rows import BENCH, COLUMNS, OURS, PEER, ROWS, Goal, Row

LEGEND = """Written by `make bench-serving`. A trace of 200 requests from a seed: prompts of 30 to 1,500
tokens, half of them beginning with one of five texts of 500, answers of 20 to 200 tokens drawn at
temperature 0.8, ends ignored. *32 clients*: each asks again when it is answered. *Arrivals*: the same
trace as a Poisson process at 70 % of what llama.cpp's server answered to the 32 clients. Both sides play
the same token ids, f16 KV, two threads, 32 answers at once, 2 GB of KV memory (llama.cpp: 32 slots of
1,792 positions, and 8 GB for prompts beside them). Ours runs in the process that plays the trace,
without HTTP. llama.cpp's is asked over HTTP by a client on the same two cores, which took
{client} of one of them. Medians and [ranges] of all rounds; a time between tokens is one between pieces
of text.
"""


def cell(values: list[float]) -> str:
    if not values:
        return "-"
    median = number(statistics.median(values))
    if len(values) == 1:
        return median
    return f"{median} [{number(min(values))} {number(max(values))}]"


def judge(goal: Goal, values: dict[str, list[float]]) -> str:
    """Whether the medians reach it."""
    if not values[OURS] or (goal.against and not values[goal.against]):
        return "not measured"
    ours = statistics.median(values[OURS])
    if goal.against:
        ours /= statistics.median(values[goal.against])
    enough = ours <= goal.bound if goal.most else ours >= goal.bound
    shown = f"{ours:.2f}x" if goal.against else number(ours)
    return f"{'yes' if enough else '**no**'}, {shown}"


def line(row: Row, model: str, samples: dict) -> str | None:
    of_scenario = samples.get(row.scenario, {})
    values = {}
    for column in COLUMNS:
        found = (row.value(figures) for figures in of_scenario.get(column, []))
        values[column] = [value for value in found if value is not None]
    if not values[OURS]:
        return None
    goals = row.goals_for(model)
    cells = [f"{row.name}, {row.unit}" if row.unit else row.name,
             *(cell(values[column]) for column in COLUMNS),
             "; ".join(goal.text() for goal in goals) or "-",
             "; ".join(judge(goal, values) for goal in goals) or "-"]
    return "| " + " | ".join(cells) + " |"


def notes(samples: dict) -> list[str]:
    found = []
    arrivals = samples.get("poisson", {}).get(OURS, [])
    if arrivals:
        rate = statistics.median(figures["rate"] for figures in arrivals)
        found.append(f"arrivals: {rate:.2f} requests a second")
    for scenario in ("closed", "poisson"):
        for figures in samples.get(scenario, {}).get(OURS, [])[-1:]:
            found.append(f"{scenario}: {figures['requests']} requests, {figures['prompt_tokens']} tokens "
                         f"of prompts, {figures['output_tokens']} of answers, of which "
                         f"{figures['accepted']} were proposed from the text")
    return found


def table(model: str, samples: dict) -> str:
    head = ["row", OURS, PEER, f"`{BENCH}`", "goal", "reached"]
    lines = [f"### {model}", "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += [found for row in ROWS if (found := line(row, model, samples))]
    lines += ["", *(f"- {note}" for note in notes(samples))]
    return "\n".join(lines) + "\n"


def client_share(models: dict) -> str:
    shares = [figures["client_share"] for samples in models.values()
              for scenario in ("closed", "poisson") for figures in samples.get(scenario, {}).get(PEER, [])]
    return f"{100 * statistics.median(shares):.0f} %" if shares else "-"


def page(before: str, machine: str, models: dict) -> str:
    """The page with this machine's serving in it, new or in place of the old one."""
    name = f"serving, {machine}"
    if f"<!-- begin {name} -->" not in before:  # behind the parts that are there
        head, end, rest = before.rpartition(" -->\n")
        before = f"{head}{end}\n<!-- begin {name} -->\n<!-- end {name} -->\n{rest}"
    body = "\n".join(table(model, samples) for model, samples in models.items())
    legend = LEGEND.format(client=client_share(models))
    return splice(before, name, f"## Serving: {machine}\n\n{legend}\n{body}")
