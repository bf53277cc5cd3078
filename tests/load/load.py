#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Load and abuse of `cairn serve` on loopback: what it refuses, what it keeps, what it gives back.

Usage: tests/load/load.py [SCENARIO...] [--scale X]     scenarios: overload slow vanish soak sweep keys kills
Each scenario starts a server of its own (CAIRN: the program, with smollm2 in the model folder), prints a line of
figures and fails where a promise of docs/reliability.md is broken.
Needs the Python packages of the tests: .venv/bin/python tests/load/load.py.
"""
import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import api_file  # noqa: E402

PROGRAM = os.environ.get("CAIRN", str(ROOT / "build/release/cairn"))


class Broken(Exception):
    """A promise that did not hold."""


def require(holds, what):
    if not holds:
        raise Broken(what)


class Server:
    def __init__(self, *options, kv_memory="256M", context=1024):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "smollm2", "--port", "0", "--log", "off", "--context", str(context), "--kv-memory",
             kv_memory, *options], stderr=subprocess.PIPE, text=True)
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
    return {"messages": api_file.QUESTION, "max_tokens": tokens, "stream": stream, "ignore_eos": True, **more}


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
    """Ten times as many clients as there are places and waiting ones, for a while; a refused one comes again at once."""
    parallel, queue, seconds = 4, 16, 20 * scale
    clients = 10 * (parallel + queue)
    server = Server("--parallel", str(parallel), "--queue", str(queue), "--max-connections", str(2 * clients),
                    "--request-seconds", "60")
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        alone = [(await ask_chat(server, 16, seed=i)).first_s for i in range(5)]
        answers = []
        end = time.monotonic() + seconds

        async def client(i):
            while time.monotonic() < end:
                answers.append(await ask_chat(server, 16, seed=i))
                await asyncio.sleep(0.1)  # a tenth of what Retry-After says

        await asyncio.gather(*(client(i) for i in range(clients)))
        after = (await ask_chat(server, 16)).first_s
        good = [a for a in answers if a.status == 200]
        refused = [a for a in answers if a.status == 429]
        require(len(good) + len(refused) == len(answers), f"other states: {sorted({a.status for a in answers})}")
        require(len(good) >= parallel + queue and refused, "nobody or everybody was refused")
        require(all("retry-after" in a.headers for a in refused), "a 429 without Retry-After")
        require(all(b"[DONE]" in a.body and b'"error"' not in a.body for a in good), "an accepted answer is not whole")
        require(after < 2, f"{after:.2f} s to the first token after the load")
        return (f"{clients} clients for {parallel} places and {queue} waiting, {seconds:.0f} s: {len(good)} answered "
                f"whole, the longest after {max(a.whole_s for a in good):.1f} s of 60; {len(refused)} got 429 with "
                f"Retry-After, p99 after {1e3 * p([a.whole_s for a in refused], 0.99):.0f} ms; no other state; first token "
                f"alone {1e3 * statistics.median(alone):.0f} ms, right after the load {1e3 * after:.0f} ms")


async def small_window(server):
    """A connection whose client takes next to nothing: what it does not read stays with the server."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
    return await asyncio.open_connection(sock=sock, limit=64)


async def slow(scale):
    """Readers that take a byte a second and headers that trickle: others do not feel them."""
    count = max(10, int(200 * scale))
    server = Server("--header-seconds", "240", "--write-seconds", "240", "--idle-seconds", "240", "--max-connections",
                    str(4 * count))
    held = []
    stop = asyncio.Event()
    chance = random.Random(1)  # so that not all of them act at the same moment
    text = [{"role": "user", "content": "river " * 20_000}]  # comes back whole: 120 KB to read

    async def read_slowly(i):
        reader, writer = await small_window(server)
        held.append(writer)
        if i % 2:
            writer.write(encode("POST", "/v1/chat/completions", chat(8, seed=i, n=8)))  # a stream
        else:
            writer.write(encode("POST", "/apply-template", {"messages": text}))
        while not stop.is_set() and await reader.read(1):
            await asyncio.sleep(chance.uniform(0.5, 1.5))

    async def trickle():
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        held.append(writer)
        for byte in b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 1000:
            if stop.is_set():
                return
            writer.write(bytes([byte]))
            await asyncio.sleep(chance.uniform(0.5, 1.5))

    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        tries = max(20, int(300 * scale))
        memory = server.memory()
        before = [(await ask_chat(server, 4, seed=i)).first_s for i in range(tries)]
        bad = [asyncio.create_task(read_slowly(i)) for i in range(count)]
        bad += [asyncio.create_task(trickle()) for _ in range(count)]
        await asyncio.sleep(3)
        await idle(server, 120)  # their answers are made and wait to be read
        during = [(await ask_chat(server, 4, seed=i)).first_s for i in range(tries)]
        with_them = server.memory()
        there = sum(not task.done() for task in bad)
        stop.set()
        for writer in held:
            writer.transport.abort()
        await asyncio.gather(*bad, return_exceptions=True)
        require(there == 2 * count, f"only {there} of {2 * count} were there to the end")
        require(p(during, 0.99) <= 2 * p(before, 0.99),
                f"p99 of others {1e3 * p(during, 0.99):.0f} ms, without them {1e3 * p(before, 0.99):.0f} ms")
        return (f"{count} readers of a byte a second and {count} trickling headers: first token of others p50 "
                f"{1e3 * p(during, 0.5):.0f} ms, p99 {1e3 * p(during, 0.99):.0f} ms; without them p50 "
                f"{1e3 * p(before, 0.5):.0f} ms, p99 {1e3 * p(before, 0.99):.0f} ms; memory {memory >> 20} MiB before and "
                f"{with_them >> 20} MiB with them")


async def vanish(scale):
    """Clients that go in mid-stream: their places and memory are free at once."""
    count = max(8, int(100 * scale))
    server = Server("--parallel", "8", "--queue", str(2 * count))
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        await ask_chat(server, 8)
        used = await metric(server, "cairn_kv_used_bytes")
        steps = []
        for i in range(count):  # one after the other: how many steps are still made
            await ask_chat(server, 900, seed=i, cut=2, cache_prompt=False)
            before = await metric(server, "cairn_steps_total")
            await idle(server)
            steps.append(await metric(server, "cairn_steps_total") - before)
        require(await metric(server, "cairn_kv_used_bytes") <= used, "keys and values of one that went are still held")
        require(max(steps) <= 2, f"{max(steps):.0f} steps were made for a client that had gone")
        await asyncio.gather(*(ask_chat(server, 900, seed=i, cut=2, cache_prompt=False) for i in range(count)))
        took = await idle(server)
        left = await metric(server, "cairn_kv_used_bytes")
        gone = await metric(server, "cairn_clients_gone_total")
        require(gone >= 2 * count, f"only {gone} were seen to go")
        require(left <= used, f"{left - used} bytes of keys and values are still held")
        return (f"{count} clients one by one that went in mid-stream of 900 tokens: at most {max(steps):.0f} steps seen "
                f"after one went; {count} at once: nothing running {1e3 * took:.0f} ms after the last one; {left:.0f} bytes "
                f"of keys and values in use, {used:.0f} before")


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


async def sweep(scale):
    """Every member of every body at and beyond its borders: what docs/openapi.yaml allows is answered, all else is a 400."""
    server = Server(str(ROOT / "tests/golden/encoders/bert.gguf"), context=96)
    values = api_file.VALUES if scale >= 1 else api_file.VALUES[::3]
    counts, wrong = {}, []
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        gate = asyncio.Semaphore(16)

        async def one(path, place, value):
            body = api_file.body_with(path, place, value)
            async with gate:
                answer = await ask(server, "POST", path, body)
            allowed = api_file.statuses(path, place, body)
            if answer.status not in allowed or answer.status != 200 and b"error" not in answer.body:
                wrong.append(f"{path} {'.'.join(place)}={str(value)[:40]!r}: {answer.status} {answer.body[:200]!r}")
            counts[answer.status] = counts.get(answer.status, 0) + 1

        members = list(api_file.members())
        await asyncio.gather(*(one(path, place, value) for path, place, _ in members for value in values))
        require(not wrong, "; ".join(wrong[:10]))
        hostile = [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"a":' * 50_000, b"null", b"1e999", b'{"messages":"\\ud800"}',
                   b"{}" * 1000, json.dumps({"messages": [{"role": "user", "content": "x" * (1 << 20)}]}).encode()]
        for path in api_file.GOOD:
            for body in hostile:
                answer = await ask(server, "POST", path, body)
                # A megabyte of text is fine where it is only looked at.
                require(answer.status == 400 or path in ("/apply-template", "/v1/messages/count_tokens"),
                        f"{path} {body[:40]!r}: {answer.status}")
        require((await ask(server, "GET", "/health")).status == 200, "the server is not well")
        told = ", ".join(f"{n} times {status}" for status, n in sorted(counts.items()))
        return (f"{len(members)} members with {len(values)} values each, {sum(counts.values())} requests: {told}; "
                f"each as docs/openapi.yaml says; {len(hostile)} bodies that are no JSON or too much to {len(api_file.GOOD)} "
                "routes: no 5xx")


async def keys(scale):
    """Every route, method and spelling of its path without a right key, and each route with one."""
    known = list(api_file.routes())
    methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "TRACE", "OPTIONS", "CONNECT", "get"]
    wrong = api_file.wrong_keys()
    if scale < 1:
        methods, wrong = ["POST", "PUT", "HEAD"], wrong[:2]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        file = Path(folder) / "keys"
        file.write_text("alice " + hashlib.sha256(b"right").hexdigest() + "\n")
        server = Server("--api-key-file", str(file))
        stack.callback(server.stop)
        counts = {}
        for method, path, is_open in known:
            for spelling in api_file.spellings(path):
                for verb in {method, *methods}:
                    for headers in wrong:
                        answer = await ask(server, verb, spelling, headers=headers)
                        counts[answer.status] = counts.get(answer.status, 0) + 1
                        may_pass = is_open and verb in (method, "HEAD")
                        require(answer.status in (400, 401) or may_pass, f"{verb} {spelling} {headers}: {answer.status}")
            for right in ({"x-api-key": "right"}, {"Authorization": "Bearer right"}):
                answer = await ask(server, method, path, {} if method == "POST" else None, right)
                require(answer.status not in (401, 403, 405), f"{method} {path} with the right key: {answer.status}")
        told = ", ".join(f"{n} times {status}" for status, n in sorted(counts.items()))
        return (f"{sum(counts.values())} requests without a right key to {len(known)} routes: {told}; 200, 304 and 404 of "
                "the open routes alone (health and the page)")


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
