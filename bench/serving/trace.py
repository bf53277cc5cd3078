# SPDX-License-Identifier: Apache-2.0
"""The serving trace: requests as token ids in a JSON file, the same for both sides.

200 requests. Half of them begin with one of five texts of 500 tokens, as conversations under one
system prompt do, and go on with 30 to 1,000 of their own; the others have 30 to 1,500 (log-uniform:
most are short). Answers are 20 to 200 tokens, uniform. `gap` is the time since the arrival before, of a
Poisson process with one arrival in a unit of time. The text is real: the tests' novels, the system's
licence texts and the sources of Python's library.
"""
import json
import math
import random
import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUESTS, PREFIXES, PREFIX_TOKENS = 200, 5, 500
SHORTEST, LONGEST, LONGEST_OWN = 30, 1500, 1000
SHORTEST_ANSWER, LONGEST_ANSWER = 20, 200
MOST_OF_A_TEXT, MOST_TEXT = 60_000, 1_000_000  # bytes


def texts() -> str:
    files = [*sorted((ROOT / "tests/data").glob("*.txt")),
             *sorted(p for p in Path("/usr/share/common-licenses").glob("*") if not p.is_symlink()),
             *sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))]
    parts, size = [], 0
    for file in files:
        part = file.read_text(encoding="utf-8", errors="replace")[:MOST_OF_A_TEXT]
        parts.append(part)
        size += len(part)
        if size > MOST_TEXT:
            break
    return "\n".join(parts)


def tokenize(program: Path, model: str, text: str, *options: str) -> list[int]:
    done = subprocess.run([str(program), "tokenize", model, "--json", *options], input=text.encode(),
                          capture_output=True, check=True)
    return [token["id"] for token in json.loads(done.stdout)["tokens"]]


def log_uniform(source: random.Random, least: int, most: int) -> int:
    return round(math.exp(source.uniform(math.log(least), math.log(most))))


def make(program: Path, model: str, seed: int) -> dict:
    begin = tokenize(program, model, "a")[:-1]  # what this model's texts begin with, if anything
    tokens = tokenize(program, model, texts(), "--no-bos")
    source = random.Random(seed)

    def some(count: int) -> list[int]:
        at = source.randrange(len(tokens) - count)
        return tokens[at:at + count]

    prefixes = [begin + some(PREFIX_TOKENS - len(begin)) for _ in range(PREFIXES)]
    shares = [True, False] * (REQUESTS // 2)
    source.shuffle(shares)
    requests = []
    for share in shares:
        if share:
            prompt = source.choice(prefixes) + some(log_uniform(source, SHORTEST, LONGEST_OWN))
        else:
            prompt = begin + some(log_uniform(source, SHORTEST, LONGEST) - len(begin))
        requests.append({"prompt": prompt, "gap": source.expovariate(1),
                         "answer": source.randint(SHORTEST_ANSWER, LONGEST_ANSWER)})
    return {"seed": seed, "requests": requests}


def trace_file(program: Path, name: str, model: str, seed: int) -> Path:
    """Made anew each time: it costs less than a second and follows the texts."""
    path = ROOT / f"build/serving/{name}-{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(make(program, model, seed)) + "\n")
    return path
