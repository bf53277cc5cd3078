#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Load and abuse of `cairn serve` on loopback: what it refuses, what it keeps, what it gives back.

Usage: tests/load/load.py [SCENARIO...] [--scale X]     scenarios: overload slow vanish soak sweep keys kills
Each scenario starts a server of its own (CAIRN: the program, with smollm2 in the model folder), prints a line of
figures and fails where a promise of docs/reliability.md is broken.
Needs nothing beside Python.
"""
import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("CAIRN", str(ROOT / "build/release/cairn"))
QUESTION = [{"role": "user", "content": "Name three rivers."}]


class Broken(Exception):
    """A promise that did not hold."""


def require(holds, what):
    if not holds:
        raise Broken(what)


class Server:
    def __init__(self, *options, kv_memory="256M"):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "smollm2", "--port", "0", "--log", "off", "--context", "1024", "--kv-memory", kv_memory,
             *options], stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        found = re.search(r":(\d+)$", line.strip())
        require(found, f"the server does not start: {line}")
        self.port = int(found.group(1))
        require("ready" in self.process.stderr.readline(), "the server is not ready")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            require(self.process.wait(60) == 0, "the server did not end well")
        finally:
            if self.process.poll() is None:
                self.process.kill()

    def memory(self):
        """Bytes in memory that are its own: not those of the mapped model file."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status).group(1)) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Answer:
    """What came of a request."""

    def __init__(self):
        self.status, self.headers, self.body = 0, {}, b""
        self.first_s = self.whole_s = None  # to the first text, to the end


def encode(method, path, body=None, headers=None):
    data = b"" if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


async def ask(server, method, path, body=None, headers=None, cut=None, seconds=300):
    """`cut`: closes the connection after so many reads."""
    answer = Answer()
    began = time.monotonic()

    async def work():
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            writer.write(encode(method, path, body, headers))
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            answer.status = int(head[0].split()[1])
            answer.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
            reads = 0
            while piece := await reader.read(65536):
                answer.body += piece
                if answer.first_s is None and b'"content":"' in answer.body.replace(b'"content":""', b""):
                    answer.first_s = time.monotonic() - began
                reads += 1
                if cut is not None and reads >= cut:
                    writer.transport.abort()
                    return
        finally:
            writer.close()

    await asyncio.wait_for(work(), seconds)
    answer.whole_s = time.monotonic() - began
    return answer


def chat(tokens, stream=True, **more):
    return {"messages": QUESTION, "max_tokens": tokens, "stream": stream, "ignore_eos": True, **more}


def ask_chat(server, tokens, **more):
    cut = more.pop("cut", None)
    return ask(server, "POST", "/v1/chat/completions", chat(tokens, **more), cut=cut)


async def metric(server, name):
    text = (await ask(server, "GET", "/metrics")).body.decode()
    return float(re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE).group(1))


async def idle(server, seconds=30):
    """Waits until nothing is being answered; how long that took."""
    began = time.monotonic()
    while await metric(server, "cairn_requests_running") + await metric(server, "cairn_requests_waiting") > 0:
        require(time.monotonic() - began < seconds, "requests are still there")
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def p(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


# --- scenarios --------------------------------------------------------------------------------------

async def overload(scale):
    """Ten times as many at once as have room: some are refused with Retry-After, nobody who is accepted waits in vain."""
    parallel, queue = 4, max(4, int(16 * scale))
    clients = 10 * (parallel + queue)
    server = Server("--parallel", str(parallel), "--queue", str(queue), "--max-connections", str(2 * clients))
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        alone = [(await ask_chat(server, 16, seed=i)).first_s for i in range(5)]
        began = time.monotonic()
        answers = await asyncio.gather(*(ask_chat(server, 16, seed=i) for i in range(clients)))
        took = time.monotonic() - began
        good = [a for a in answers if a.status == 200]
        refused = [a for a in answers if a.status == 429]
        require(len(good) + len(refused) == clients, f"other states: {sorted({a.status for a in answers})}")
        require(len(good) >= parallel + queue and refused, "nobody or everybody was refused")
        require(all("retry-after" in a.headers for a in refused), "a 429 without Retry-After")
        require(all(b"[DONE]" in a.body for a in good), "an accepted answer is not whole")
        after = (await ask_chat(server, 16)).first_s
        require(after < 2, f"{after:.2f} s to the first token after the load")
        return (f"{clients} clients at once for {parallel} places and {queue} waiting: {len(good)} answered whole, "
                f"{len(refused)} got 429 with Retry-After, none failed, {took:.1f} s; first token alone "
                f"{1e3 * statistics.median(alone):.0f} ms, right after the load {1e3 * after:.0f} ms")


async def slow(scale):
    """Readers that take a byte a second and headers that trickle: others do not feel them."""
    count = max(10, int(200 * scale))
    server = Server("--header-seconds", "120", "--idle-seconds", "120", "--max-connections", str(4 * count))
    held = []
    stop = asyncio.Event()

    async def read_slowly(i):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=64)
        held.append(writer)
        writer.write(encode("POST", "/v1/chat/completions", chat(4, seed=i)))
        while not stop.is_set() and await reader.read(1):
            await asyncio.sleep(1)

    async def trickle():
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        held.append(writer)
        for byte in b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 1000:
            if stop.is_set():
                return
            with contextlib.suppress(ConnectionError):
                writer.write(bytes([byte]))
            await asyncio.sleep(1)

    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        tries = max(10, int(100 * scale))
        before = [(await ask_chat(server, 4, seed=i)).first_s for i in range(tries)]
        bad = [asyncio.create_task(read_slowly(i)) for i in range(count)]
        bad += [asyncio.create_task(trickle()) for _ in range(count)]
        await asyncio.sleep(1)
        await idle(server, 120)  # their answers are made and wait to be read
        during = [(await ask_chat(server, 4, seed=i)).first_s for i in range(tries)]
        stop.set()
        for writer in held:
            writer.transport.abort()
        await asyncio.gather(*bad, return_exceptions=True)
        return (f"{count} readers of a byte a second and {count} trickling headers: first token of others p50 "
                f"{1e3 * p(during, 0.5):.0f} ms, p99 {1e3 * p(during, 0.99):.0f} ms; without them p50 "
                f"{1e3 * p(before, 0.5):.0f} ms, p99 {1e3 * p(before, 0.99):.0f} ms")


async def vanish(scale):
    """Clients that go in mid-stream: their places and memory are free at once."""
    count = max(8, int(100 * scale))
    server = Server("--parallel", "8", "--queue", str(2 * count))
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        await ask_chat(server, 8)
        used = await metric(server, "cairn_kv_used_bytes")
        await asyncio.gather(*(ask_chat(server, 900, seed=i, cut=2, cache_prompt=False) for i in range(count)))
        took = await idle(server)
        left = await metric(server, "cairn_kv_used_bytes")
        gone = await metric(server, "cairn_clients_gone_total")
        require(gone >= count, f"only {gone} were seen to go")
        require(left <= used, f"{left - used} bytes of keys and values are still held")
        return (f"{count} clients that went in mid-stream of 900 tokens: nothing running {1e3 * took:.0f} ms after the "
                f"last one went, {left:.0f} bytes of keys and values in use as before")


async def soak(scale):
    """Many requests, a third of them cancelled: no growth of memory or descriptors."""
    count = max(200, int(20_000 * scale))
    # Little memory for keys and values, so that the cache has filled it before memory is compared.
    server = Server("--parallel", "16", "--queue", "256", kv_memory="48M")
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        gate = asyncio.Semaphore(32)

        async def one(i):
            async with gate:
                if i % 3 == 0:
                    return await ask_chat(server, 100, seed=i, cut=1 + i % 4)
                return await ask_chat(server, 3, seed=i, stream=bool(i % 2))

        await asyncio.gather(*(one(i) for i in range(-200, 0)))  # buffers have their sizes then
        await idle(server)
        memory, descriptors = server.memory(), server.descriptors()
        began = time.monotonic()
        answers = await asyncio.gather(*(one(i) for i in range(count)))
        took = time.monotonic() - began
        await idle(server)
        require(all(a.status == 200 for a in answers), f"states: {sorted({a.status for a in answers})}")
        after, open_now = server.memory(), server.descriptors()
        require(open_now <= descriptors, f"{open_now - descriptors} descriptors more than before")
        require(after - memory < 24 << 20, f"{(after - memory) >> 20} MiB more than before")
        return (f"{count} requests, a third cancelled, 32 at once: {count / took:.0f} a second, memory "
                f"{memory / 2**20:.1f} MiB before and {after / 2**20:.1f} MiB after, descriptors {descriptors} and "
                f"{open_now}")


VALUES = [0, 1, -1, 2, 0.5, -0.5, 1.5, 100, 101, -100, 1e-300, 1e300, -1e300, 2**31 - 1, 2**31, -2**31, 2**32, 2**53,
          2**53 + 1, 2**63 - 1, 2**63, -2**63, 2**64 - 1, 2**64, 10**30, 0.1, 9.99, 10, 10.01, 127, 128, 129, "", "1",
          "x" * 2000, True, False, None, [], {}, [1], [[]], {"a": 1}]
FIELDS = {
    "/v1/chat/completions": ["temperature", "top_p", "top_k", "min_p", "seed", "n", "max_tokens",
                             "max_completion_tokens", "presence_penalty", "frequency_penalty", "repeat_penalty",
                             "repeat_last_n", "top_logprobs", "logprobs", "stop", "logit_bias", "stream",
                             "stream_options", "tools", "tool_choice", "messages", "model", "user",
                             "chat_template_kwargs", "response_format"],
    "/v1/completions": ["logprobs", "prompt", "suffix", "n", "best_of", "max_tokens"],
    "/v1/responses": ["input", "max_output_tokens", "temperature", "tools", "text", "reasoning", "instructions"],
    "/v1/messages": ["messages", "max_tokens", "system", "stop_sequences", "tools", "thinking", "metadata", "top_k"],
    "/api/chat": ["messages", "options", "keep_alive", "think", "format", "stream"],
    "/api/generate": ["prompt", "options", "keep_alive", "images", "context", "raw"],
    "/completion": ["prompt", "n_predict", "n_probs", "temperature", "top_k", "seed", "logit_bias", "stop"],
    "/tokenize": ["content", "add_special"], "/detokenize": ["tokens"], "/apply-template": ["messages"],
}
GOOD = {"/v1/chat/completions": {"messages": QUESTION, "max_tokens": 1},
        "/v1/completions": {"prompt": "a", "max_tokens": 1},
        "/v1/responses": {"input": "a", "max_output_tokens": 1},
        "/v1/messages": {"messages": QUESTION, "max_tokens": 1},
        "/api/chat": {"model": "smollm2", "messages": QUESTION, "options": {"num_predict": 1}},
        "/api/generate": {"model": "smollm2", "prompt": "a", "options": {"num_predict": 1}},
        "/completion": {"prompt": "a", "n_predict": 1}, "/tokenize": {"content": "a"}, "/detokenize": {"tokens": [1]},
        "/apply-template": {"messages": QUESTION}}


async def sweep(scale):
    """Every field with values around every border: an answer or a 400 that names what is wrong."""
    server = Server("--request-seconds", "60")
    counts = {}
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        gate = asyncio.Semaphore(16)
        # No limit, or one beyond the context: an answer of a thousand tokens, which is not what is looked for.
        endless = {"max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict"}

        async def one(path, field, value):
            if field in endless and isinstance(value, (int, float)) and (value == -1 or value > 16):
                value = -value
            if value is None and field in GOOD[path]:
                return
            if field == "options" and not value:
                value = {"num_predict": 0}
            body = GOOD[path] | {field: value}
            async with gate:
                answer = await ask(server, "POST", path, body)
            good = answer.status == 200 or answer.status in (400, 404) and b"error" in answer.body
            require(good, f"{path} {field}={str(value)[:40]!r}: {answer.status} {answer.body[:200]!r}")
            counts[answer.status] = counts.get(answer.status, 0) + 1

        values = VALUES if scale >= 1 else VALUES[::3]
        await asyncio.gather(*(one(path, field, value) for path, fields in FIELDS.items() for field in fields
                               for value in values))
        hostile = [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"a":' * 50_000, b"null", b"1e999", b'{"messages":"\\ud800"}',
                   b"{}" * 1000, json.dumps({"messages": [{"role": "user", "content": "x" * (1 << 20)}]}).encode()]
        for path in FIELDS:
            for body in hostile:
                answer = await ask(server, "POST", path, body)
                # A megabyte of text is fine where it is only looked at.
                require(answer.status in (400, 404) or path in ("/apply-template", "/tokenize", "/detokenize"),
                        f"{path} {body[:40]!r}: {answer.status}")
        require((await ask(server, "GET", "/health")).status == 200, "the server is not well")
        told = ", ".join(f"{n} times {status}" for status, n in sorted(counts.items()))
        return f"{sum(counts.values())} requests with a value at a border: {told}; no other state"


def routes():
    """All routes of the sources: (method, path, open)."""
    found = []
    for file in sorted((ROOT / "src/server").glob("*_routes.cc")):
        text = file.read_text().replace("\n", " ")
        for method, path, rest in re.findall(r'"(GET|POST)",[^"]{0,20}"(/[^"]*)"([^})]*)[})]', text):
            found.append((method, path.replace("*", "x"), re.search(r",\s*true", rest) is not None))
    return found


async def keys(scale):
    """Every route, method and spelling of its path without a key, with a wrong one and with a right one."""
    known = routes()
    require(len(known) > 20, "the routes were not found")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        file = Path(folder) / "keys"
        file.write_text("alice " + hashlib.sha256(b"right").hexdigest() + "\n")
        server = Server("--api-key-file", str(file))
        stack.callback(server.stop)
        refused = asked = 0
        wrong = [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}, {"Authorization": "right"},
                 {"x-api-key": "righ"}, {"Authorization": "Basic cmlnaHQ="}, {"x-api-key": ""}]
        methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "TRACE"]
        for method, path, is_open in known:
            for spelling in {path, "/" + path, path + "/", path.upper(), path.replace("/", "/%2e/", 1),
                             path.replace("a", "%61"), path + "?key=right", path + "%00", path + ";x"}:
                for verb in methods if scale >= 1 else [method, "PUT", "HEAD"]:
                    for headers in wrong if scale >= 1 else wrong[:2]:
                        answer = await ask(server, verb, spelling, headers=headers)
                        asked += 1
                        let_in = answer.status not in (401, 400, 404, 405, 501)
                        known_open = is_open and verb in (method, "HEAD")
                        require(not let_in or known_open, f"{verb} {spelling} {headers}: {answer.status}")
                        refused += answer.status == 401
            answer = await ask(server, method, path, {} if method == "POST" else None, {"x-api-key": "right"})
            require(answer.status != 401 or is_open, f"{method} {path} with the right key: {answer.status}")
        return f"{asked} requests without a right key to {len(known)} routes: {refused} times 401, nothing let in"


async def kills(scale):
    """Killed and started again: ready each time, and what it says is the same."""
    times, texts = [], set()
    for _ in range(max(3, int(100 * scale))):
        began = time.monotonic()
        server = Server()
        times.append(time.monotonic() - began)
        texts.add((await ask_chat(server, 4, stream=False, seed=1)).body.split(b'"choices":')[1].split(b'"usage"')[0])
        request = asyncio.create_task(ask_chat(server, 500))
        await asyncio.sleep(0.05)
        server.process.kill()
        server.process.wait()
        await asyncio.gather(request, return_exceptions=True)
    require(len(texts) == 1, "answers differ")
    return (f"{len(times)} kills in mid-answer and starts: ready after {1e3 * statistics.median(times):.0f} ms "
            f"(longest {1e3 * max(times):.0f} ms), always the same answer")


SCENARIOS = {f.__name__: f for f in (overload, slow, vanish, soak, sweep, keys, kills)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    parser.add_argument("--scale", type=float, default=1)
    chosen = parser.parse_args()
    for name in chosen.scenarios or SCENARIOS:
        if name not in SCENARIOS:
            parser.error(f"there is no scenario {name}")
    bad = 0
    for name in chosen.scenarios or SCENARIOS:
        try:
            print(f"{name}: {asyncio.run(SCENARIOS[name](chosen.scale))}", flush=True)
        except Broken as broken:
            bad += 1
            print(f"{name}: BROKEN: {broken}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
