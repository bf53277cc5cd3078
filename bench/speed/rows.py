# SPDX-License-Identifier: Apache-2.0
"""What is measured, as data: the rows of the page, what each asks of a program, and its goals."""
from dataclasses import asdict, dataclass, field

# Columns of the page. What was held to AVX2 stands in the same columns, in rows that say so.
OURS, OURS_Q8, LLAMA, OPENVINO = "Cairn", "Cairn, q8 KV", "llama.cpp", "OpenVINO GenAI"
PEERS = (LLAMA, OPENVINO)


@dataclass(frozen=True)
class Task:
    """What a program is asked to do; tokens/s unless the kind says otherwise."""

    kind: str        # prefill, decode; of ours only: start (s), resident and peak (MB), outside (%), matmuls (TOPS)
    tokens: int = 0  # prefill: of the prompt; decode: steps; start: of the prompt
    batch: int = 1   # sequences decoded at once, their tokens/s summed
    depth: int = 0   # tokens of every sequence before the first that is measured
    isa: str = ""    # "avx2": held to that; "": whatever the machine has

    def as_json(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Goal:
    """A promise of one column of ours.

    against: "best" or a peer's column: at least `bound` times its speed; "share": at least `bound` of
    the limit; "most share": at most; "most": the value is at most `bound`; else the name of another
    row: at least `bound` of our own speed there.
    """

    bound: float
    against: str = "best"
    column: str = OURS

    def text(self) -> str:
        where = " (q8)" if self.column == OURS_Q8 else ""
        match self.against:
            case "best":
                return f"{self.bound:g}x the best peer{where}"
            case "share":
                return f"{100 * self.bound:.0f} % of the limit{where}"
            case "most share":
                return f"at most {100 * self.bound:.0f} % of the limit{where}"
            case "most":
                return f"at most {self.bound:g}{where}"
            case against if against in PEERS:
                return f"{self.bound:g}x {against}{where}"
            case against:
                return f"{100 * self.bound:.0f} % of {against}{where}"


@dataclass(frozen=True)
class Row:
    name: str
    group: str       # the selection --rows takes; its rows are measured together
    task: Task
    unit: str = "tokens/s"
    limit: str = ""  # what the share of the limit is a share of
    goals: dict[str, tuple[Goal, ...]] = field(default_factory=dict)  # by model; "" for any other

    def goals_for(self, model: str) -> tuple[Goal, ...]:
        return self.goals.get(model, self.goals.get("", ()))


@dataclass(frozen=True)
class Sample:
    """One result of one program: in the row's unit, and which share of its limit that is."""

    value: float
    share: float | None = None


def both(*goals: Goal) -> dict[str, tuple[Goal, ...]]:
    return {"": goals}


def prefill(tokens: int, smollm2: tuple[Goal, ...], gemma3: float) -> Row:
    return Row(f"prefill {tokens}", "prefill", Task("prefill", tokens), limit="int8 peak",
               goals={"smollm2": smollm2, "gemma3": (Goal(gemma3, LLAMA),)})


def batch(sequences: int) -> Row:
    return Row(f"decode, {sequences} sequences", "batch",
               Task("decode", 32, batch=sequences, depth=128), limit="bandwidth",
               goals={"smollm2": (Goal(5, LLAMA),), "gemma3": (Goal(4, LLAMA),)})


def avx2_prefill(tokens: int) -> Row:
    return Row(f"AVX2, prefill {tokens}", "avx2", Task("prefill", tokens, isa="avx2"),
               limit="int8 peak", goals=both(Goal(1, LLAMA)))


ROWS = (
    prefill(32, (Goal(2),), 3),
    prefill(128, (Goal(2),), 4),
    prefill(512, (Goal(1.5), Goal(2, column=OURS_Q8)), 4),
    prefill(2048, (Goal(1.4), Goal(2, column=OURS_Q8)), 3),
    Row("decode", "decode", Task("decode", 64, depth=128), limit="bandwidth",
        goals=both(Goal(0.88, "share"))),
    batch(8),
    batch(32),
    # 8,000 and what is decoded after them fit into the 8,192 positions of smollm2.
    Row("decode after 8,000", "deep", Task("decode", 32, depth=8000), limit="bandwidth",
        goals=both(Goal(0.60, "share"))),
    avx2_prefill(128),
    avx2_prefill(512),
    avx2_prefill(2048),
    Row("AVX2, decode", "avx2", Task("decode", 64, depth=128, isa="avx2"), limit="bandwidth",
        goals=both(Goal(0.95, "decode"))),
    Row("outside of matmuls, prefill 512", "stages", Task("outside", 512), unit="% of the pass",
        goals=both(Goal(20, "most"))),
    Row("matmuls, prefill 512", "stages", Task("matmuls", 512), unit="TOPS", limit="int8 peak"),
    Row("start to first token, 32 tokens", "start", Task("start", 32), unit="s",
        goals={"smollm2": (Goal(0.25, "most"),), "gemma3": (Goal(0.5, "most"),)}),
    Row("memory after load", "memory", Task("resident"), unit="MB",
        limit="1.1 x file + step buffers + 16 MB", goals=both(Goal(1, "most share"))),
    Row("peak memory during load", "memory", Task("peak"), unit="MB", limit="file",
        goals=both(Goal(1.2, "most share"))),
)
GROUPS = tuple(dict.fromkeys(row.group for row in ROWS))
