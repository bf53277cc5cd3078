# SPDX-License-Identifier: Apache-2.0
"""Plays a trace to llama.cpp's server over HTTP, as player.cc does to our engine in its process.

A request is token ids; the answer comes as server-sent events, each with the text of a token or of
several, empty while a character is not complete. One task per request in one thread; what the
client takes of the machine is among the figures.
"""
import asyncio
import json
import math
import time
from dataclasses import dataclass, field

LONGEST_LINE = 1 << 24


@dataclass
class Times:
    asked: float = 0.0
    pieces: list[float] = field(default_factory=list)
    tokens: int = 0
    prompt: int = 0
    cached: int = 0


async def ask(port: int, request: dict, seed: int, times: Times) -> None:
    body = json.dumps({
        "prompt": request["prompt"], "n_predict": request["answer"], "ignore_eos": True,
        "stream": True, "cache_prompt": True, "seed": seed, "temperature": 0.8, "top_k": 40,
        "top_p": 0.95, "min_p": 0.05}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LONGEST_LINE)
    writer.write(b"POST /completion HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"llama.cpp's server said {status.decode().strip()}")
    async for line in reader:
        if not line.startswith(b"data: {"):
            continue  # headers, sizes of chunks
        event = json.loads(line[len(b"data: "):])
        if event.get("content"):
            times.pieces.append(time.perf_counter())
        if event.get("stop"):
            times.tokens = event["tokens_predicted"]
            times.prompt = event["tokens_evaluated"]
            times.cached = event["timings"]["cache_n"]
            break
    writer.close()
    if times.tokens < request["answer"]:
        raise RuntimeError(f"an answer of {request['answer']} tokens has {times.tokens}")


async def closed_loop(port: int, requests: list[dict], clients: int) -> list[Times]:
    records = [Times() for _ in requests]
    numbers = iter(range(len(requests)))

    async def client() -> None:
        for number in numbers:
            records[number].asked = time.perf_counter()
            await ask(port, requests[number], number, records[number])

    await asyncio.gather(*(client() for _ in range(clients)))
    return records


async def arrivals(port: int, requests: list[dict], rate: float) -> list[Times]:
    records = [Times() for _ in requests]
    due = time.perf_counter()
    tasks = []
    for number, request in enumerate(requests):
        due += request["gap"] / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        records[number].asked = due
        tasks.append(asyncio.create_task(ask(port, request, number, records[number])))
    await asyncio.gather(*tasks)
    return records


def percentile(values: list[float], p: float) -> float:
    return sorted(values)[max(math.ceil(p * len(values)), 1) - 1] if values else 0.0


def play(port: int, requests: list[dict], clients: int, rate: float) -> dict:
    """rate 0: the closed loop. The figures are those of player.cc."""
    begin, busy = time.perf_counter(), time.process_time()
    work = arrivals(port, requests, rate) if rate else closed_loop(port, requests, clients)
    records = asyncio.run(work)
    seconds = time.perf_counter() - begin
    busy = time.process_time() - busy
    first = [1e3 * (r.pieces[0] - r.asked) for r in records if r.pieces]
    between = [1e3 * (b - a) for r in records for a, b in zip(r.pieces, r.pieces[1:])]
    total = {name: sum(getattr(r, name) for r in records) for name in ("tokens", "prompt", "cached")}
    return {"requests": len(records), "seconds": seconds,
            "output_tokens_per_s": total["tokens"] / seconds,
            "prompt_tokens_per_s": total["prompt"] / seconds,
            "requests_per_s": len(records) / seconds,
            "first_p50_ms": percentile(first, 0.5), "first_p99_ms": percentile(first, 0.99),
            "between_p50_ms": percentile(between, 0.5), "between_p99_ms": percentile(between, 0.99),
            "output_tokens": total["tokens"], "prompt_tokens": total["prompt"],
            "cached_tokens": total["cached"], "client_share": busy / seconds}
