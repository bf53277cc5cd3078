# SPDX-License-Identifier: Apache-2.0
"""What HTTP, JSON, template and tokenizer cost beside the engine, of a server that has nothing else to do.

- A request: the time from its headers to the end of its answer, by the server's own clock
  (cairn_request_seconds), without that of the engine (cairn_answer_seconds: from the submission to the last
  token). The client's time, which has the kernel's and the client's work in it too, stands beside it.
- A streamed token: processor time of the thread that reads and writes HTTP, of long answers without that of
  short ones, for each token that they have more; of one answer, and of eight at once, whose tokens come together.
"""
import http.client
import json
import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from load import SAMPLERS
from serving.sides import Running

PROMPT = "Tell me what you know about rivers, lakes and the sea. " * 20  # about 250 tokens
SHORT, LONG = 1, 129
STREAMS = 8


class Client:
    """One connection that is kept."""

    def __init__(self, port: int):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask(self, method: str, path: str, body: dict | None = None) -> bytes:
        self.connection.request(method, path, None if body is None else json.dumps(body))
        response = self.connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise SystemExit(f"bench-http: the server said {response.status}: {text[:300]!r}")
        return text

    def sums(self) -> tuple[float, float]:
        """Seconds of all requests, and of the engine in them."""
        text = self.ask("GET", "/metrics").decode()
        return tuple(float(re.search(rf"^{name}_sum(?:{{.*}})? (\S+)$", text, re.MULTILINE).group(1))
                     for name in ("cairn_request_seconds", "cairn_answer_seconds"))


def processor_seconds(pid: int) -> float:
    """Of the thread that reads and writes: the first."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) * 1e-9


def chat(tokens: int, stream: bool) -> dict:
    return {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": tokens, "stream": stream} | SAMPLERS


def of_requests(client: Client, count: int) -> dict:
    client.ask("POST", "/v1/chat/completions", chat(SHORT, False))  # its prompt is in the cache from here on
    client.sums()
    alone = client.sums()
    before = client.sums()
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        client.ask("POST", "/v1/chat/completions", chat(SHORT, False))
        seconds.append(time.perf_counter() - begin)
    after = client.sums()
    reading = before[0] - alone[0]  # of the figures themselves
    engine = (after[1] - before[1]) / count
    return {"request_ms": 1e3 * ((after[0] - before[0] - reading) / count - engine),
            "request_seen_ms": 1e3 * (statistics.fmean(seconds) - engine), "engine_ms": 1e3 * engine}


def of_token(server: Running, clients: int, stream: bool, count: int) -> float:
    """Microseconds, with so many answers at once."""
    used = []
    with ThreadPoolExecutor(clients) as pool:
        asking = [Client(server.port) for _ in range(clients)]
        for tokens in (SHORT, LONG):
            before = 0.0
            for number in range(count + 1):
                if number == 1:  # the first finds the prompt, and is not counted
                    before = processor_seconds(server.pid)
                list(pool.map(lambda client: client.ask("POST", "/v1/chat/completions", chat(tokens, stream)), asking))
            used.append(processor_seconds(server.pid) - before)
    return 1e6 * (used[1] - used[0]) / count / clients / (LONG - SHORT)


def measure(server: Running, count: int) -> dict:
    some = max(count // 10, 2)
    return of_requests(Client(server.port), count) | {
        "token_us": of_token(server, 1, True, some),
        "token_of_many_us": of_token(server, STREAMS, True, max(some // 4, 1)),
        "whole_token_us": of_token(server, 1, False, some)}
