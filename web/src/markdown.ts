// SPDX-License-Identifier: Apache-2.0
// Text of a model to elements: markdown without HTML of its own, code with colours, maths as MathML.
//
// The libraries for colours and maths are loaded when the first code or formula appears. Nothing in
// a text can run or fetch: HTML is shown as text, images become links, and the page's policy forbids
// the rest.

import MarkdownIt, { BlockState, InlineState } from "markdown-it";
import { h } from "./dom.js";

const markdown = new MarkdownIt({ html: false, linkify: true });
const escape = markdown.utils.escapeHtml;

// $..$, $$..$$ and \(..\) in a line. A dollar before a blank or a digit after it is money.
function inlineMath(state: InlineState, silent: boolean): boolean {
  const rest = state.src.slice(state.pos, state.posMax);
  const found = /^\$\$([^$]+)\$\$/.exec(rest) ?? /^\$(?!\s)((?:\\.|[^$\\])+?)(?<!\s)\$(?!\d)/.exec(rest) ?? /^\\\((.+?)\\\)/s.exec(rest);
  if (!found) return false;
  if (!silent) state.push("math_inline", "span", 0).content = found[1]!;
  state.pos += found[0].length;
  return true;
}

// $$..$$ and \[..\] that begin a line; without an end they reach to the end of the text, as while
// it streams.
function blockMath(state: BlockState, begin: number, end: number, silent: boolean): boolean {
  const lineOf = (line: number) => state.src.slice(state.bMarks[line]! + state.tShift[line]!, state.eMarks[line]!);
  const open = /^(\$\$|\\\[)/.exec(lineOf(begin));
  if (!open) return false;
  if (silent) return true;
  const close = open[1] === "$$" ? "$$" : "\\]";
  let line = begin;
  let text = lineOf(begin).slice(2);
  while (!text.trimEnd().endsWith(close) && line + 1 < end) text += "\n" + lineOf(++line);
  state.line = line + 1;
  const token = state.push("math_block", "div", 0);
  token.content = text.trimEnd().replace(close === "$$" ? /\$\$$/ : /\\\]$/, "");
  token.block = true;
  return true;
}

markdown.inline.ruler.before("escape", "math_inline", inlineMath);
markdown.block.ruler.before("fence", "math_block", blockMath, { alt: ["paragraph", "list"] });
const rules = markdown.renderer.rules;
rules["math_inline"] = (tokens, i) => `<span class="math">${escape(tokens[i]!.content)}</span>`;
rules["math_block"] = (tokens, i) => `<div class="math block">${escape(tokens[i]!.content)}</div>`;
rules["image"] = (tokens, i) => {
  const token = tokens[i]!;
  return `<a href="${escape(token.attrGet("src") ?? "")}" target="_blank" rel="noopener noreferrer">${escape(token.content || "image")}</a>`;
};
rules["link_open"] = (tokens, i, options, _env, self) => {
  tokens[i]!.attrSet("target", "_blank");
  tokens[i]!.attrSet("rel", "noopener noreferrer");
  return self.renderToken(tokens, i, options);
};
// The policy forbids style attributes, which tables have for their columns.
for (const cell of ["th_open", "td_open"]) {
  rules[cell] = (tokens, i, options, _env, self) => {
    const token = tokens[i]!;
    const side = /text-align:(\w+)/.exec(token.attrGet("style") ?? "")?.[1];
    token.attrs = side ? [["class", `to-${side}`]] : null;
    return self.renderToken(tokens, i, options);
  };
}

let colours: Promise<typeof import("highlight.js")> | null = null;
let maths: Promise<typeof import("katex")> | null = null;

// Colours and copy buttons of code, in an element that was rendered.
function dressCode(code: HTMLElement, whole: boolean): void {
  const pre = code.parentElement!;
  const language = /language-([\w+#.-]+)/.exec(code.className)?.[1] ?? "";
  const copy = h("button", { type: "button", class: "copy", title: "Copy this code", onclick: () => {
    void navigator.clipboard.writeText(code.textContent ?? "").then(() => { copy.textContent = "Copied"; });
  } }, "Copy");
  pre.append(h("span", { class: "language" }, language), copy);
  if (!language || !whole) return;
  colours ??= import("highlight.js");
  void colours.then(({ default: hljs }) => {
    if (hljs.getLanguage(language)) code.innerHTML = hljs.highlight(language, code.textContent ?? "", true).value;
  });
}

function dressMath(element: HTMLElement): void {
  const tex = element.textContent ?? "";
  maths ??= import("katex");
  void maths.then(({ default: katex }) => {
    try {
      katex.render(tex, element, { displayMode: element.classList.contains("block"), output: "mathml", throwOnError: true, maxSize: 20, maxExpand: 200 });
    } catch {
      element.textContent = tex; // not TeX: shown as it is
      element.classList.add("failed");
    }
  });
}

// Shows `text` in `element`. `whole`: nothing more will come; colours and formulas wait for that.
export function show(element: HTMLElement, text: string, whole: boolean): void {
  element.innerHTML = markdown.render(text);
  for (const code of element.querySelectorAll<HTMLElement>("pre > code")) dressCode(code, whole);
  for (const table of element.querySelectorAll("table")) {
    const scroll = h("div", { class: "wide", tabindex: 0 });
    table.replaceWith(scroll);
    scroll.append(table);
  }
  if (whole) for (const math of element.querySelectorAll<HTMLElement>(".math")) dressMath(math);
}

// Shows JSON, indented and coloured; text that is no JSON (yet) as it is.
export function showJson(element: HTMLElement, text: string, whole: boolean): void {
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch { /* while it streams */ }
  const code = h("code", { class: "language-json" }, shown);
  element.replaceChildren(h("pre", {}, code));
  dressCode(code, whole);
}
