#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What serving over HTTP costs, and what it gives beside `cairn batch` and llama.cpp's server. Start it with
`make bench-http`, machine quiet; about four minutes a round and model.

Usage: run.py [--rounds N] [--parts P,...] [--requests N] [--clients N] [--asked N] [--threads N] [--seed N]
              [--json F] [--continue] [--write] [--cairn PROGRAM] [--peer PROGRAM] [MODEL=PATH...]
A round measures every part once, in alternating order; a peer that is not built (make bench-serving, scripts/setup
bench-serving) is left out. --continue adds to what the JSON file holds, so that a run can be made in pieces.
--write puts the tables into docs/performance.md.
"""
import argparse
import json
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "bench"))  # behind: this folder has the name of a module of Python's

import load  # noqa: E402
import overhead  # noqa: E402
import report  # noqa: E402
from serving import sides  # noqa: E402
from speed.report import machine  # noqa: E402

shared = runpy.run_path(str(ROOT / "scripts/bench"))  # what the other benches' command lines have too
some_of, default_models = shared["some_of"], shared["default_models"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", type=some_of(report.PARTS), default=list(report.PARTS), metavar="PART,...",
                        help=", ".join(report.PARTS))
    parser.add_argument("--requests", type=int, default=96, help="of the throughput")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--asked", type=int, default=200, help="requests of the overhead")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=ROOT / "build/http.json")
    parser.add_argument("--continue", dest="more", action="store_true")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--cairn", type=Path, default=ROOT / "build/release/cairn")
    parser.add_argument("--peer", type=Path, default=ROOT / "build/llama-server/llama-server")
    parser.add_argument("models", nargs="*", metavar="MODEL=PATH")
    return parser.parse_args()


def works(options: argparse.Namespace, path: str, bodies: list[dict]) -> dict:
    """What each part does."""
    def ours(play):
        with load.cairn_serve(options.cairn, path, options.threads, options.clients) as server:
            return play(server)

    def theirs():
        with sides.server(options.peer, path, options.threads) as server:
            return load.over_http(server, bodies, options.clients, True)

    return {
        report.OVERHEAD: lambda: ours(lambda server: overhead.measure(server, options.asked)),
        report.HTTP: lambda: ours(lambda server: load.over_http(server, bodies, options.clients, False)),
        report.BATCH: lambda: load.batch(options.cairn, path, options.threads, bodies, options.clients),
        report.STREAM: lambda: ours(lambda server: load.over_http(server, bodies, options.clients, True)),
        report.PEER: theirs,
    }


def main() -> int:
    options = arguments()
    models = json.loads(options.json.read_text()) if options.more and options.json.exists() else {}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    parts = [part for part in options.parts if part != report.PEER or options.peer.exists()]
    if parts != options.parts:
        print(f"bench-http: {options.peer} is not there; scripts/setup bench-serving builds it", file=sys.stderr)
    bodies = load.conversations(options.requests, options.seed)
    for model in options.models or default_models(options.cairn):
        name, _, path = model.partition("=")
        samples, work = models.setdefault(name, {}), works(options, path, bodies)
        for number in range(options.rounds):
            for part in parts if number % 2 == 0 else reversed(parts):
                figures = work[part]()
                samples.setdefault(part, []).append(figures)
                options.json.write_text(json.dumps(models, indent=1) + "\n")
                print(f"round {number + 1}: {name}: {part}: {json.dumps(figures)}", file=sys.stderr, flush=True)
        print(report.table(name, samples), flush=True)
    if options.write:
        page = ROOT / "docs/performance.md"
        page.write_text(report.page(page.read_text(), machine(), models, options.clients))
    return 0


if __name__ == "__main__":
    sys.exit(main())
