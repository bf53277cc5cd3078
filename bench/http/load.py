# SPDX-License-Identifier: Apache-2.0
"""The servers and `cairn batch`, each a process of its own, and the clients that ask them the same
conversations.

An answer has as many tokens as it may, ends are ignored, so that all sides do the same work. A client asks
again when it is answered. What the clients take of the machine is among the figures: they run on it too.
"""
import asyncio
import contextlib
import json
import math
import random
import re
import subprocess
import time
from pathlib import Path

from serving import sides
from serving.client import percentile
from serving.trace import texts

PREFIXES, PREFIX, LONGEST, SHORTEST = 5, 1_800, 3_000, 120  # bytes, about a quarter of them tokens
SHORTEST_ANSWER, LONGEST_ANSWER = 20, 200
SAMPLERS = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "ignore_eos": True}
KV_MEMORY = "2G"
FIRST = re.compile(rb'"content":\s*"[^"]')  # a piece of the answer, where the role comes alone before it


def conversations(count: int, seed: int) -> list[dict]:
    """Bodies of chats. Half of them begin with one of five texts; most are short, as in the serving trace."""
    source, text = random.Random(seed), texts()

    def some(size: int) -> str:
        at = source.randrange(len(text) - size)
        return text[at:at + size]

    prefixes = [some(PREFIX) for _ in range(PREFIXES)]
    bodies = []
    for number in range(count):
        own = some(round(math.exp(source.uniform(math.log(SHORTEST), math.log(LONGEST)))))
        begin = source.choice(prefixes) if number % 2 else ""
        bodies.append({"messages": [{"role": "user", "content": begin + own}], "seed": number,
                       "max_tokens": source.randint(SHORTEST_ANSWER, LONGEST_ANSWER)} | SAMPLERS)
    source.shuffle(bodies)
    return bodies


WARM = {"messages": [{"role": "user", "content": "Hello."}], "max_tokens": 8} | SAMPLERS


@contextlib.contextmanager
def cairn_serve(program: Path, model: str, threads: int, clients: int):
    port = sides.free_port()
    process = subprocess.Popen(
        [str(program), "serve", model, "--port", str(port), "-t", str(threads), "--parallel", str(clients),
         "--kv-memory", KV_MEMORY, "--log", "off"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        sides.wait_until_ready(process, port)
        yield sides.Running(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def peak_memory_mb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) / 1000


async def ask(port: int, body: dict, stream: bool) -> tuple[bytes, float, float, float]:
    """The whole response; when it was asked, had its first piece of text, and ended."""
    more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    text = json.dumps(body | more).encode()
    begin = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
    response, first = bytearray(), 0.0
    while piece := await reader.read(1 << 16):
        response += piece
        if stream and not first and FIRST.search(piece):
            first = time.perf_counter()
    end = time.perf_counter()
    writer.close()
    if b" 200 " not in response[:20]:
        raise SystemExit(f"bench-http: a server said {bytes(response[:300])!r}")
    return bytes(response), begin, first, end


def usage(response: bytes) -> int:
    """The tokens of an answer, whole or streamed: what is told last."""
    found = re.findall(rb'"completion_tokens":\s*(\d+)', response)
    return int(found[-1]) if found else 0


async def closed_loop(port: int, bodies: list[dict], clients: int, stream: bool) -> list:
    answers, numbers = [None] * len(bodies), iter(range(len(bodies)))

    async def client() -> None:
        for number in numbers:
            answers[number] = await ask(port, bodies[number], stream)

    await asyncio.gather(*(client() for _ in range(clients)))
    return answers


def played(bodies: list[dict], made: list[int], seconds: float) -> dict:
    wanted = [body["max_tokens"] for body in bodies]
    if made != wanted:
        raise SystemExit("bench-http: an answer is shorter than it had to be")
    return {"requests": len(bodies), "seconds": seconds, "requests_per_s": len(bodies) / seconds,
            "output_tokens": sum(made), "output_tokens_per_s": sum(made) / seconds}


def over_http(server: sides.Running, bodies: list[dict], clients: int, stream: bool) -> dict:
    asyncio.run(closed_loop(server.port, [WARM], 1, stream))
    begin, busy = time.perf_counter(), time.process_time()
    answers = asyncio.run(closed_loop(server.port, bodies, clients, stream))
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    figures = played(bodies, [usage(answer[0]) for answer in answers], seconds)
    figures |= {"client_share": busy / seconds, "peak_memory_mb": peak_memory_mb(server.pid)}
    if stream:
        first = [1e3 * (answer[2] - answer[1]) for answer in answers]
        figures |= {"first_p50_ms": percentile(first, 0.5), "first_p99_ms": percentile(first, 0.99)}
    return figures


def batch(program: Path, model: str, threads: int, bodies: list[dict], clients: int) -> dict:
    """`cairn batch` on the same bodies, fed once it has answered a first one: loading is not in it."""
    process = subprocess.Popen(
        [str(program), "batch", model, "-", "-", "-t", str(threads), "--parallel", str(clients), "--kv-memory",
         KV_MEMORY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def line(number: int, body: dict) -> bytes:
        return json.dumps({"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions",
                           "body": body}).encode() + b"\n"

    process.stdin.write(line(-1, WARM))
    process.stdin.flush()
    process.stdout.readline()
    text = b"".join(line(number, body) for number, body in enumerate(bodies))
    begin = time.perf_counter()
    output, _ = process.communicate(text)
    seconds = time.perf_counter() - begin
    made = {}
    for result in map(json.loads, output.splitlines()):
        made[int(result["custom_id"])] = result["response"]["body"]["usage"]["completion_tokens"]
    return played(bodies, [made[number] for number in range(len(bodies))], seconds)
