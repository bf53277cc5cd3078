#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws docs/roofline.svg: every kind of stage of a prefill and of a decode between the machine's limits.

Usage: roofline.py [--cairn PROGRAM] [--threads N] [--output SVG] [--json FILE...] [MODEL...]
A panel per model (default smollm2 and gemma3), from `cairn bench MODEL --by-stage --json`; --json
takes such reports instead of measuring. Across: multiplications and additions per byte of weights and
KV; up: what a stage reached. The roof is the read bandwidth and the int8 peak of the same run. A dot's
area is the stage's share of its pass; stages that read neither weights nor KV have no place across
and are summed up below the panel.
"""
import argparse
import itertools
import json
import math
import subprocess
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PREFILL, DECODE, DEPTH = 512, 64, 128
LEAST_SHARE = 0.01  # of the pass; smaller stages are summed up
WIDTH, HEIGHT = 860, 500
LEFT, RIGHT, TOP, BOTTOM = 70, 28, 58, 84
SVG = "http://www.w3.org/2000/svg"  # check-words: allowed
STYLE = """
svg { font: 13px system-ui, sans-serif; }
.paper { fill: #ffffff; } text { fill: #1f2328; } .small { font-size: 11.5px; }
.quiet { fill: #59636e; } .title { font-size: 15px; font-weight: 600; }
.grid { stroke: #d8dee4; } .roof { stroke: #1f2328; stroke-width: 2; fill: none; }
.lead { stroke: #8b949e; stroke-width: 0.8; } .middle { fill: #1f2328; fill-opacity: 1; }
.prefill { fill: #0b62c4; } .decode { fill: #c2570c; }
circle.prefill, circle.decode { fill-opacity: 0.5; }
circle.prefill { stroke: #0b62c4; } circle.decode { stroke: #c2570c; }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; }
.grid { stroke: #2a3038; } .roof { stroke: #e6edf3; } .middle { fill: #e6edf3; }
.prefill { fill: #58a6ff; } .decode { fill: #f0883e; }
circle.prefill { stroke: #58a6ff; } circle.decode { stroke: #f0883e; }
}
"""


@dataclass
class Dot:
    case: str         # prefill, decode
    name: str
    share: float      # of the time of its pass
    intensity: float  # operations per byte
    tops: float


def merged(stages: list[dict]) -> dict[str, dict]:
    """Stages of one kind together: the last layer's attention projections are stages of their own
    because they work for sampled rows only, and too small to see."""
    found: dict[str, dict] = {}
    for stage in stages:
        moved = stage["weight_bytes_per_step"] + stage["kv_bytes_per_step"]
        name = stage["stage"] if stage["part"] in ("matmul", "attend") and moved else ""
        if name and stage["share"] < LEAST_SHARE:
            name = ""
        sums = found.setdefault(name, dict.fromkeys(("share", "us", "operations", "bytes"), 0.0))
        for key, value in (("share", stage["share"]), ("us", stage["us_per_step"]),
                           ("operations", stage["operations_per_step"]), ("bytes", moved)):
            sums[key] += value
    return found


def dots_of(result: dict) -> tuple[list[Dot], float]:
    """The dots of one case, and the share of its time that has none."""
    found = merged(result["stages"])
    dots = [Dot(result["name"], name, s["share"], s["operations"] / s["bytes"],
                s["operations"] / s["us"] / 1e6) for name, s in found.items() if name]
    return dots, 1 - sum(dot.share for dot in dots)


class Axes:
    """From operations per byte and TOPS to places in a panel, both logarithmic."""

    def __init__(self, dots: list[Dot], bandwidth: float, peak: float):
        self.x = self.decades([d.intensity for d in dots] + [peak * 1e3 / bandwidth])
        self.y = self.decades([d.tops for d in dots] + [peak])

    @staticmethod
    def decades(values: list[float]) -> tuple[float, float]:
        low, high = math.log10(min(values)), math.log10(max(values))
        return math.floor(2 * low - 0.5) / 2, math.ceil(2 * high + 0.6) / 2

    def at(self, intensity: float, tops: float) -> tuple[float, float]:
        x = (math.log10(intensity) - self.x[0]) / (self.x[1] - self.x[0])
        y = (math.log10(tops) - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + x * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM)


def grid(axes: Axes) -> list[str]:
    parts = []
    for exponent in range(math.ceil(axes.x[0]), math.floor(axes.x[1]) + 1):
        x, _ = axes.at(10 ** exponent, 1)
        parts += [f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>',
                  f'<text class="small quiet" text-anchor="middle" x="{x:.1f}" '
                  f'y="{HEIGHT - BOTTOM + 17}">{10.0 ** exponent:g}</text>']
    for exponent in range(math.ceil(axes.y[0]), math.floor(axes.y[1]) + 1):
        _, y = axes.at(1, 10 ** exponent)
        parts += [f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
                  f'<text class="small quiet" text-anchor="end" x="{LEFT - 7}" y="{y + 4:.1f}">'
                  f'{10.0 ** exponent:g}</text>']
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts += [f'<text class="quiet" text-anchor="middle" x="{(LEFT + WIDTH - RIGHT) / 2}" '
              f'y="{HEIGHT - BOTTOM + 36}">operations per byte of weights and KV</text>',
              f'<text class="quiet" text-anchor="middle" transform="rotate(-90 22 {middle})" x="22" '
              f'y="{middle}">TOPS</text>']
    return parts


def roof(axes: Axes, bandwidth: float, peak: float) -> tuple[list[str], list[tuple]]:
    """The line of the limits and its labels, with the boxes that they take."""
    ridge = peak * 1e3 / bandwidth
    lowest = max(10 ** axes.x[0], 10 ** axes.y[0] * 1e3 / bandwidth)
    corners = [axes.at(lowest, lowest * bandwidth / 1e3), axes.at(ridge, peak),
               axes.at(10 ** axes.x[1], peak)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    (x0, y0), (x1, y1), (x2, _) = corners
    angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
    middle_x, middle_y = x0 + (x1 - x0) * 0.8, y0 + (y1 - y0) * 0.8
    parts = [f'<polyline class="roof" points="{points}"/>',
             f'<text class="small" x="{x1 + 6:.1f}" y="{y1 - 8:.1f}">int8 peak {peak:.2f} TOPS</text>',
             f'<text class="small" text-anchor="middle" transform="rotate({angle:.1f} {middle_x:.1f} '
             f'{middle_y:.1f})" x="{middle_x:.1f}" y="{middle_y - 8:.1f}">reads {bandwidth:.1f} '
             f'GB/s</text>']
    taken = [(x1, y1 - 22, x1 + 130, y1), (x1, y1 - 4, x2, y1 + 4)]
    steps = 24  # the slope as small boxes: a label on the line is hard to read
    for i in range(steps + 1):
        x, y = x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps
        taken.append((x - 9, y - 18, x + 5, y + 5))
    return parts, taken


def meet(a: tuple, b: tuple) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def lead_to(x: float, y: float, box: tuple) -> list[tuple]:
    """Points from the middle of a dot to the nearest side of its label."""
    end_x = min(max(x, box[0]), box[2])
    end_y = box[1] if box[1] > y else box[3] if box[3] < y else y
    return [(x + (end_x - x) * i / 16, y + (end_y - y) * i / 16) for i in range(17)]


def free_place(dot: tuple[float, float, float], width: float, taken: list[tuple],
               labels: list[tuple]) -> tuple:
    """A box for a label near its dot: the nearest that covers nothing, its line crossing no label."""
    x, y, radius = dot
    for strictly in (True, False):
        for gap, way in itertools.product(range(0, 240, 6), range(24)):
            angle = 2 * math.pi * way / 24
            centre_x = x + math.cos(angle) * (radius + 5 + gap + width / 2 * abs(math.cos(angle)))
            centre_y = y + math.sin(angle) * (radius + 12 + gap)
            box = (centre_x - width / 2, centre_y - 8, centre_x + width / 2, centre_y + 8)
            inside = (LEFT + 2 < box[0] and box[2] < WIDTH - RIGHT and TOP < box[1] and
                      box[3] < HEIGHT - BOTTOM)
            crossed = strictly and any(meet((px, py, px, py), label)
                                       for px, py in lead_to(x, y, box) for label in labels)
            if inside and not crossed and not any(meet(box, t) for t in taken):
                return box
    return (x - width / 2, y - 8, x + width / 2, y + 8)


def draw_dots(dots: list[Dot], axes: Axes, taken: list[tuple]) -> list[str]:
    places = []
    for dot in dots:
        x, y = axes.at(dot.intensity, dot.tops)
        radius = 3 + 22 * math.sqrt(dot.share)
        places.append((x, y, radius))
        taken.append((x - radius, y - radius, x + radius, y + radius))
    circles, texts, labels = [], [], []
    for dot, (x, y, radius) in sorted(zip(dots, places), key=lambda pair: -pair[0].share):
        circles.append(f'<circle class="{dot.case}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')
        text = f"{dot.name} {100 * dot.share:.0f} %"
        box = free_place((x, y, radius), 6.3 * len(text), taken, labels)
        lead = lead_to(x, y, box)
        labels.append(box)
        taken += [box, *((px - 3, py - 3, px + 3, py + 3) for px, py in lead)]
        # To the middle: where dots cover each other, it says which is meant.
        texts.append(f'<line class="lead" x1="{x:.1f}" y1="{y:.1f}" x2="{lead[-1][0]:.1f}" '
                     f'y2="{lead[-1][1]:.1f}"/><circle class="middle" cx="{x:.1f}" cy="{y:.1f}" '
                     f'r="1.7"/><text class="small {dot.case}" text-anchor="middle" '
                     f'x="{(box[0] + box[2]) / 2:.1f}" y="{box[3] - 4:.1f}">{escape(text)}</text>')
    return circles + texts


def threads_of(report: dict) -> str:
    return "1 thread" if report["threads"] == 1 else f"{report['threads']} threads"


def panel(report: dict, top: int) -> list[str]:
    bandwidth, peak = report["bandwidth_gb_s"], report["int8_tops"]
    cases = [(result, *dots_of(result)) for result in report["results"]]
    dots = [dot for _, found, _ in cases for dot in found]
    axes = Axes(dots, bandwidth, peak)
    line, taken = roof(axes, bandwidth, peak)
    name = Path(report["model"]).stem
    parts = [f'<g transform="translate(0 {top})">',
             f'<text class="title" x="{LEFT}" y="24">{escape(name)}, {threads_of(report)}, '
             f'{report["isa"]}, KV {report["kv"]}</text>']
    x = LEFT
    for number, (result, _, rest) in enumerate(cases):
        what = (f"prefill of {result['tokens']} tokens" if result["name"] == "prefill" else
                f"decode after {result['depth']}")
        parts += [f'<circle class="{result["name"]}" cx="{x + 5}" cy="40" r="5"/>',
                  f'<text class="small" x="{x + 15}" y="44">{what}</text>',
                  f'<text class="small quiet" x="{LEFT}" y="{HEIGHT - 30 + 15 * number}">without a dot, '
                  f'{result["name"]}: {100 * rest:.0f} % of the time (norms, packing, rotation, small '
                  f'stages)</text>']
        x += 190
    return parts + grid(axes) + line + draw_dots(dots, axes, taken) + ["</g>"]


def picture(reports: list[dict]) -> str:
    height = len(reports) * HEIGHT
    parts = [f'<svg xmlns="{SVG}" viewBox="0 0 {WIDTH} {height}" role="img">',
             "<title>Stages between the limits of the machine</title>", f"<style>{STYLE}</style>",
             f'<rect class="paper" width="{WIDTH}" height="{height}"/>']
    for number, report in enumerate(reports):
        parts += panel(report, number * HEIGHT)
    return "\n".join([*parts, "</svg>"]) + "\n"


def measured(program: Path, model: str, threads: int) -> dict:
    command = [str(program), "bench", model, "--by-stage", "--json", "-p", str(PREFILL), "-n",
               str(DECODE), "-b", "1", "-d", str(DEPTH), *(["-t", str(threads)] if threads else [])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"roofline: {done.stderr.strip()}")
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cairn", type=Path, default=ROOT / "build/release/cairn")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--output", type=Path, default=ROOT / "docs/roofline.svg")
    parser.add_argument("--json", type=Path, nargs="+", default=[])
    parser.add_argument("models", nargs="*", metavar="MODEL")
    options = parser.parse_args()
    reports = [json.loads(path.read_text()) for path in options.json] or [
        measured(options.cairn, model, options.threads)
        for model in options.models or ("smollm2", "gemma3")]
    options.output.write_text(picture(reports))
    print(f"{options.output} is drawn")
    return 0


if __name__ == "__main__":
    sys.exit(main())
