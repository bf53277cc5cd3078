# SPDX-License-Identifier: Apache-2.0
"""What the page shows of serving, as data: which figure of which scenario, and its goal."""
from dataclasses import dataclass

OURS, PEER, BENCH = "Cairn", "llama.cpp", "cairn bench"
COLUMNS = (OURS, PEER, BENCH)
SCENARIOS = ("closed", "poisson", "decode", "waiting", "hit", "pace", "memory")
SHARE_OF_CAPACITY = 0.7  # of the peer's requests per second in the closed loop


@dataclass(frozen=True)
class Goal:
    """`against` a column: that many times its value; else the bound itself. `most`: at most."""

    bound: float
    against: str = ""
    most: bool = False

    def text(self) -> str:
        word = "at most " if self.most else ""
        if not self.against:
            return f"{word}{self.bound:g}"
        return f"{word}{self.bound:g}x {self.against}"


@dataclass(frozen=True)
class Row:
    name: str
    scenario: str
    figure: str  # of the scenario's, with dots into what is nested
    unit: str = ""
    times: float = 1  # the unit's worth
    goals: dict[str, tuple[Goal, ...]] | None = None  # by model; "" for any other

    def goals_for(self, model: str) -> tuple[Goal, ...]:
        goals = self.goals or {}
        return goals.get(model, goals.get("", ()))

    def value(self, figures: dict) -> float | None:
        found: object = figures
        for part in self.figure.split("."):
            if not isinstance(found, dict) or part not in found:
                return None
            found = found[part]
        return self.times * found


def every(*goals: Goal) -> dict[str, tuple[Goal, ...]]:
    return {"": goals}


def played(scenario: str, name: str, goals: dict[str, tuple[Goal, ...]]) -> tuple[Row, ...]:
    """The rows of a playing of the trace; goals by figure."""
    rows = (("output_tokens_per_s", "output", "tokens/s", 1),
            ("prompt_tokens_per_s", "prompts, cached ones too", "tokens/s", 1),
            ("first_p50_ms", "time to first token, p50", "s", 1e-3),
            ("first_p99_ms", "time to first token, p99", "s", 1e-3),
            ("between_p50_ms", "between tokens, p50", "ms", 1),
            ("between_p99_ms", "between tokens, p99", "ms", 1),
            ("cached_tokens", "tokens from the cache", "", 1),
            ("scheduler_share", "scheduler's share of the steps", "%", 100))
    return tuple(Row(f"{name}: {what}", scenario, figure, unit, times,
                     every(*goals.get(figure, ()))) for figure, what, unit, times in rows)


def decode(sequences: int) -> Row:
    return Row(f"{sequences} sequences decoding through the scheduler", "decode",
               f"{sequences}.tokens_per_s", "tokens/s",
               goals={"smollm2": (Goal(0.95, BENCH), Goal(5, PEER)),
                      "gemma3": (Goal(0.95, BENCH), Goal(4, PEER))})


ROWS = (
    *played("closed", "32 clients", {"output_tokens_per_s": (Goal(4, PEER),)}),
    *played("poisson", "arrivals", {"first_p99_ms": (Goal(0.25, PEER, most=True),),
                                    "between_p99_ms": (Goal(0.5, PEER, most=True),)}),
    decode(8),
    decode(32),
    Row("1,000 wait, 32 run: scheduler's share of the steps", "waiting", "scheduler_share", "%", 100,
        every(Goal(1, most=True))),
    Row("1,000 wait, 32 run: a step", "waiting", "step_ms", "ms"),
    Row("prompt of 2,000 tokens: to the first token, cold", "hit", "cold_ms", "ms"),
    Row("prompt of 2,000 tokens: to the first token, cached", "hit", "hit_ms", "ms"),
    Row("prompt of 2,000 tokens: a step after it", "hit", "step_ms", "ms"),
    Row("prompt of 2,000 tokens: cached beyond a step, of cold", "hit", "beyond_a_step_share", "%",
        100, every(Goal(3, most=True))),
    Row("8 answers alone: between tokens, p99", "pace", "alone_p99_ms", "ms"),
    Row("8 answers beside prompts of 2,000: between tokens, p99", "pace", "beside_p99_ms", "ms"),
    Row("8 answers: p99 beside prompts, of that alone", "pace", "ratio", "times", 1,
        every(Goal(2, most=True))),
    Row("full KV memory: over the budget", "memory", "over_budget_bytes", "bytes", 1,
        every(Goal(0, most=True))),
    Row("full KV memory: resident apart from what the pool says", "memory", "resident_apart_share",
        "% of the budget", 100, every(Goal(2, most=True))),
)
