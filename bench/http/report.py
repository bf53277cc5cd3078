# SPDX-License-Identifier: Apache-2.0
"""What came out, as Markdown: a table per model, and its place in docs/performance.md."""
import statistics

from serving.report import cell
from speed.report import number, splice

OVERHEAD, HTTP, STREAM, BATCH, PEER = "overhead", "http", "stream", "batch", "llama.cpp"
PARTS = (OVERHEAD, HTTP, BATCH, STREAM, PEER)

LEGEND = """Written by `make bench-http`; medians and [ranges] of all rounds. *Overhead*: a chat of about 250 tokens, asked again and
again of a server that has nothing else to do; of a request the time from its headers to the end of its answer without
the engine's, both by the server's clock, and as the client sees it; of a token the processor time of the thread that
reads and writes. *Throughput*: {requests} chats, half of them beginning with one of five texts, answers of 20 to 200 tokens at
temperature 0.8, ends ignored; {clients} clients, each asking again when it is answered, beside `cairn batch --parallel {clients}` on the
same bodies and llama.cpp's server. Both servers are asked by clients on the same cores, which took {share} of one of
them.
"""

# Name, part, figure, unit, the part it is compared with, the goal (of the ratio where there is such a part), whether
# it is a most.
ROWS = (
    ("overhead of a request", OVERHEAD, "request_ms", "ms", None, 1, True),
    ("overhead of a request, seen by the client", OVERHEAD, "request_seen_ms", "ms", None, None, True),
    ("the engine's time in it", OVERHEAD, "engine_ms", "ms", None, None, True),
    ("overhead of a streamed token", OVERHEAD, "token_us", "us", None, 20, True),
    ("overhead of a streamed token, 8 streams", OVERHEAD, "token_of_many_us", "us", None, 20, True),
    ("overhead of a token of a whole answer", OVERHEAD, "whole_token_us", "us", None, None, True),
    ("output, whole answers", HTTP, "output_tokens_per_s", "tokens/s", BATCH, 0.97, False),
    ("output, streams", STREAM, "output_tokens_per_s", "tokens/s", PEER, None, False),
    ("answers, streams", STREAM, "requests_per_s", "a second", PEER, None, False),
    ("time to first token, p50", STREAM, "first_p50_ms", "ms", PEER, None, True),
    ("time to first token, p99", STREAM, "first_p99_ms", "ms", PEER, None, True),
    ("peak memory", STREAM, "peak_memory_mb", "MB", PEER, None, True),
)


def values(samples: dict, part: str | None, figure: str) -> list[float]:
    return [figures[figure] for figures in samples.get(part, [])]


def judge(ours: list[float], theirs: list[float], compared: str | None, goal: float | None, most: bool) -> tuple[str, str]:
    """The goal in words, and whether the medians reach it."""
    if goal is None:
        return "-", "-"
    name = {BATCH: "`cairn batch`"}.get(compared, compared)
    text = f"{'at most ' if most else ''}{goal:g}{f'x {name}' if compared else ''}"
    if compared and not theirs:
        return text, "not measured"
    reached = statistics.median(ours) / (statistics.median(theirs) if compared else 1)
    good = reached <= goal if most else reached >= goal
    return text, f"{'yes' if good else '**no**'}, {f'{reached:.3f}x' if compared else number(reached)}"


def table(model: str, samples: dict) -> str:
    head = ["row", "Cairn over HTTP", "`cairn batch`", "llama.cpp", "goal", "reached"]
    lines = [f"### {model}, over HTTP", "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, part, figure, unit, compared, goal, most in ROWS:
        ours, theirs = values(samples, part, figure), values(samples, compared, figure)
        if not ours:
            continue
        beside = [cell(theirs) if compared == column else "-" for column in (BATCH, PEER)]
        lines.append("| " + " | ".join([f"{name}, {unit}", cell(ours), *beside,
                                        *judge(ours, theirs, compared, goal, most)]) + " |")
    return "\n".join(lines) + "\n"


def page(before: str, machine: str, models: dict, clients: int) -> str:
    """The page with this machine's part in it, new or in place of the old one."""
    name = f"over HTTP, {machine}"
    if f"<!-- begin {name} -->" not in before:  # behind the parts that are there
        head, end, rest = before.rpartition(" -->\n")
        before = f"{head}{end}\n<!-- begin {name} -->\n<!-- end {name} -->\n{rest}"
    played = [figures for samples in models.values() for part in (HTTP, STREAM, PEER) for figures in samples.get(part, [])]
    share = f"{100 * statistics.median(f['client_share'] for f in played):.0f} %" if played else "-"
    requests = max((figures["requests"] for figures in played), default=0)
    body = "\n".join(table(model, samples) for model, samples in models.items())
    return splice(before, name, f"## Over HTTP: {machine}\n\n"
                  f"{LEGEND.format(requests=requests, clients=clients, share=share)}\n{body}")
