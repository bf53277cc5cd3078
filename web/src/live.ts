// SPDX-License-Identifier: Apache-2.0
// What the server is doing, once a second, from its metrics: a page that one leaves open.

import { metrics } from "./api.js";
import { byId, h } from "./dom.js";

// Values of Prometheus text by name, labels summed over; a histogram's buckets keep their "le".
export function parseMetrics(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!found) continue;
    const [, name, labels, value] = found;
    const bound = /(?:^|,)le="([^"]+)"/.exec(labels ?? "")?.[1];
    const at = bound === undefined ? name! : `${name}<${bound}`;
    values.set(at, (values.get(at) ?? 0) + Number(value));
  }
  return values;
}

// The quantile of what a histogram gained between two readings, interpolated; null: nothing gained.
export function quantile(now: Map<string, number>, before: Map<string, number>, name: string, q: number): number | null {
  const buckets = [...now.keys()].filter((at) => at.startsWith(`${name}_bucket<`))
    .map((at) => ({ bound: Number(at.split("<")[1]!.replace("+Inf", "Infinity")), count: now.get(at)! - (before.get(at) ?? 0) }))
    .sort((a, b) => a.bound - b.bound);
  const all = buckets[buckets.length - 1]?.count ?? 0;
  if (all <= 0) return null;
  let low = 0, under = 0;
  for (const { bound, count } of buckets) {
    if (count >= q * all) return bound === Infinity ? low : low + (bound - low) * (q * all - under) / Math.max(count - under, 1);
    low = bound;
    under = count;
  }
  return low;
}

const historySeconds = 120;

export class LiveView {
  private readonly section = byId("live");
  private readonly readings: { at: number; values: Map<string, number> }[] = [];
  private readonly canvas = h("canvas", { width: 600, height: 90, role: "img", "aria-label": "Tokens per second over two minutes" });
  private readonly cards = h("div", { class: "cards" });
  private readonly pool = h("div", { class: "pool", role: "img" });
  private readonly words = h("p", { class: "quiet" });
  private timer = 0;

  toggle(): boolean {
    const open = this.section.hidden;
    this.section.hidden = !open;
    if (!open) {
      clearTimeout(this.timer);
      return false;
    }
    this.section.replaceChildren(this.cards, this.canvas, this.pool, this.words);
    void this.read();
    return true;
  }

  private async read(): Promise<void> {
    clearTimeout(this.timer);
    try {
      this.readings.push({ at: performance.now() / 1000, values: parseMetrics(await metrics()) });
      if (this.readings.length > historySeconds) this.readings.shift();
      this.draw();
    } catch (error) {
      this.words.textContent = (error as Error).message;
    }
    if (!this.section.hidden) this.timer = window.setTimeout(() => void this.read(), 1000);
  }

  // What counter `name` gained per second between readings `i - 1` and `i`.
  private rate(name: string, i: number): number {
    const now = this.readings[i], before = this.readings[i - 1];
    if (!now || !before) return 0;
    return Math.max(0, (now.values.get(name) ?? 0) - (before.values.get(name) ?? 0)) / (now.at - before.at);
  }

  private draw(): void {
    const last = this.readings.length - 1;
    const { values } = this.readings[last]!;
    const first = this.readings[Math.max(0, last - 30)]!.values;
    const value = (name: string) => values.get(name) ?? 0;
    const milliseconds = (name: string) => {
      const seconds = quantile(values, first, name, 0.5);
      return seconds === null ? "–" : `${(seconds * 1000).toFixed(0)} ms`;
    };
    this.cards.replaceChildren(
      card("Answering", String(value("cairn_requests_running"))),
      card("Waiting", String(value("cairn_requests_waiting"))),
      card("Answer tokens/s", this.rate("cairn_answer_rows_total", last).toFixed(0)),
      card("Prompt tokens/s", this.rate("cairn_prompt_rows_total", last).toFixed(0)),
      card("From the cache/s", this.rate("cairn_reused_rows_total", last).toFixed(0)),
      card("First token", milliseconds("cairn_first_token_seconds")),
      card("Between tokens", milliseconds("cairn_per_token_seconds")));
    this.drawPool(value("cairn_kv_used_bytes"), value("cairn_kv_budget_bytes"));
    this.drawRates();
  }

  private drawPool(used: number, budget: number): void {
    const share = (bytes: number) => budget > 0 ? Math.min(100, 100 * bytes / budget) : 0;
    const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
    // Widths as SVG attributes: the page's policy has no place for styles in elements.
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 100 4");
    svg.setAttribute("preserveAspectRatio", "none");
    let x = 0;
    for (const [name, width] of [["used", share(used)], ["free", 100]] as const) {
      const rectangle = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const shown = Math.min(width, 100 - x);
      for (const [key, number] of Object.entries({ x, y: 0, width: shown, height: 4 })) rectangle.setAttribute(key, String(number));
      rectangle.setAttribute("class", name);
      svg.append(rectangle);
      x += shown;
    }
    this.pool.replaceChildren(svg);
    this.words.textContent = `Keys and values: ${megabytes(used)} of ${megabytes(budget)}, what is kept for prompts to come included`;
    this.pool.setAttribute("aria-label", this.words.textContent);
  }

  private drawRates(): void {
    const context = this.canvas.getContext("2d")!;
    const { width, height } = this.canvas;
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(document.documentElement);
    const series = [["cairn_prompt_rows_total", "--quiet"], ["cairn_answer_rows_total", "--accent"]] as const;
    for (const [name, colour] of series) {
      const rates = this.readings.map((_, i) => this.rate(name, i));
      const most = Math.max(...rates, 1);
      context.strokeStyle = style.getPropertyValue(colour).trim();
      context.lineWidth = 2;
      context.beginPath();
      rates.forEach((rate, i) => context.lineTo(width - (rates.length - 1 - i) * width / historySeconds, height - 3 - (height - 8) * rate / most));
      context.stroke();
    }
  }
}

function card(label: string, value: string): HTMLElement {
  return h("div", { class: "card" }, h("b", {}, value), h("span", {}, label));
}
