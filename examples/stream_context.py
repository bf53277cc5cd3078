#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a question about documents while they are still being fetched.

Usage: stream_context.py [--url URL] [--delay SECONDS] [--whole] QUESTION FILE...
Each file stands for a page that a search brings after DELAY seconds (0.5). The server computes what has
come while the next one is on its way, so the answer begins soon after the last; --whole sends all of
it at the end instead, to compare. Needs nothing but Python; docs/streaming.md has the protocol.
"""
import argparse
import http.client
import json
import os
import sys
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path


def lines(options: argparse.Namespace, sent: list[float]) -> Iterator[bytes]:
    """The body, a line at a time; notes when the last one went."""
    def line(value: dict) -> bytes:
        return json.dumps(value).encode() + b"\n"

    pages = [Path(file).read_text(encoding="utf-8", errors="replace") for file in options.files]
    opening = {"messages": [{"role": "user", "content": "Read these pages.\n"}], "stream": True,
               "max_tokens": options.max_tokens}
    if not options.whole:
        yield line({"open": opening})
    for page in pages:
        time.sleep(options.delay)  # the search
        if options.whole:
            opening["messages"][0]["content"] += page + "\n"
        else:
            yield line({"append": page + "\n"})
    if options.whole:
        yield line({"open": opening})
    sent.append(time.perf_counter())
    yield line({"append": "\nQuestion: " + options.question})
    yield line({"finish": True})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--delay", type=float, default=0.5)
    parser.add_argument("--whole", action="store_true", help="all of it at the end, to compare")
    parser.add_argument("--max-tokens", type=int, default=60)
    parser.add_argument("question")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()

    server = urllib.parse.urlsplit(options.url)
    connection = http.client.HTTPConnection(server.hostname, server.port or 80, timeout=600)
    headers = {"Transfer-Encoding": "chunked", "Content-Type": "application/x-ndjson"}
    if key := os.environ.get("CAIRN_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    sent: list[float] = []
    connection.request("POST", "/v1/stream", lines(options, sent), headers, encode_chunked=True)
    response = connection.getresponse()
    if response.status != 200:
        print(response.read().decode(), file=sys.stderr)
        return 1
    first = None
    for raw in response:
        if not raw.startswith(b"data: {"):
            continue
        event = json.loads(raw[len(b"data: "):])
        if "error" in event:
            print(event["error"]["message"], file=sys.stderr)
            return 1
        text = event["choices"][0]["delta"].get("content") if event["choices"] else None
        if text and first is None:
            first = time.perf_counter() - sent[0]
        print(text or "", end="", flush=True)
    print(f"\n{1000 * (first or 0):.0f} ms from the last piece to the first token", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
