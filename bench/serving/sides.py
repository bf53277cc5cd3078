# SPDX-License-Identifier: Apache-2.0
"""The two sides: our driver, a process for each scenario, and llama.cpp's server, a process for each
playing of the trace, so that neither finds what it computed before."""
import contextlib
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from . import client

SLOTS = 32
POSITIONS = 1792  # of a slot: the longest prompt and the longest answer, in whole blocks of 256


@dataclass
class Running:
    """A server."""

    port: int
    pid: int


def ours(program: Path, model: str, threads: int, scenario: str, *arguments: str) -> dict:
    done = subprocess.run([str(program), scenario, model, *arguments, "-t", str(threads), "--json"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"bench-serving: {scenario} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def cairn_bench(program: Path, model: str, threads: int, batches: list[int], depth: int,
                tokens: int) -> dict[str, float]:
    """Decode without the scheduler, tokens/s by number of sequences."""
    done = subprocess.run(
        [str(program), "bench", model, "-p", "1", "-b", ",".join(map(str, batches)), "-d", str(depth),
         "-n", str(tokens), "--rounds", "3", "-t", str(threads), "--json"],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return {str(result["batch"]): result["tokens_per_s"]["median"]
            for result in json.loads(done.stdout)["results"] if result["name"] == "decode"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(process: subprocess.Popen, port: int) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise SystemExit(f"bench-serving: llama.cpp's server ended with {process.returncode}")
        with contextlib.suppress(urllib.error.URLError, OSError):
            if urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).status == 200:
                return
        time.sleep(0.1)
    raise SystemExit("bench-serving: llama.cpp's server is not ready after two minutes")


@contextlib.contextmanager
def server(program: Path, model: str, threads: int):
    """As many slots as we run at once, and its own defaults: continuous batching, prompts
    kept in the slots and beside them, f16."""
    port = free_port()
    process = subprocess.Popen(
        [str(program), "-m", model, "--host", "127.0.0.1", "--port", str(port), "-np", str(SLOTS),
         "-c", str(SLOTS * POSITIONS), "-t", str(threads), "-tb", str(threads), "--cont-batching",
         "--cache-prompt", "--offline", "--log-disable"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(process, port)
        yield Running(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def theirs(program: Path, model: str, threads: int, requests: list[dict], clients: int,
           rate: float) -> dict:
    with server(program, model, threads) as running:
        return client.play(running.port, requests, clients, rate)
