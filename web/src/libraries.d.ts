// SPDX-License-Identifier: Apache-2.0
// What the page uses of the libraries that the distribution ships; web/build names their files.
declare module "markdown-it" {
  export interface Token {
    tag: string;
    info: string;
    content: string;
    markup: string;
    map: [number, number] | null;
    block: boolean;
    attrs: [string, string][] | null;
    attrGet(name: string): string | null;
    attrSet(name: string, value: string): void;
    attrJoin(name: string, value: string): void;
  }
  export interface InlineState {
    src: string;
    pos: number;
    posMax: number;
    push(type: string, tag: string, nesting: number): Token;
  }
  export interface BlockState {
    src: string;
    bMarks: number[];
    eMarks: number[];
    tShift: number[];
    line: number;
    getLines(begin: number, end: number, indent: number, keepLastLF: boolean): string;
    push(type: string, tag: string, nesting: number): Token;
  }
  type Rule = (tokens: Token[], index: number, options: object, env: object, self: Renderer) => string;
  interface Renderer {
    rules: Record<string, Rule | undefined>;
    renderToken(tokens: Token[], index: number, options: object): string;
  }
  export default class MarkdownIt {
    constructor(options: { html: boolean; linkify: boolean; breaks?: boolean });
    renderer: Renderer;
    utils: { escapeHtml(text: string): string };
    inline: { ruler: { before(at: string, name: string, rule: (state: InlineState, silent: boolean) => boolean): void } };
    block: {
      ruler: {
        before(
          at: string, name: string,
          rule: (state: BlockState, begin: number, end: number, silent: boolean) => boolean,
          options?: { alt: string[] }): void;
      };
    };
    render(text: string): string;
  }
}
declare module "katex" {
  const katex: {
    render(tex: string, into: HTMLElement, options: { displayMode: boolean; output: "mathml"; throwOnError: boolean; maxSize: number; maxExpand: number }): void;
  };
  export default katex;
}
declare module "highlight.js" {
  const hljs: {
    getLanguage(name: string): unknown;
    highlight(name: string, text: string, ignoreIllegals: boolean): { value: string };
  };
  export default hljs;
}
declare module "pdfjs" {
  interface Page {
    getTextContent(): Promise<{ items: { str: string; hasEOL?: boolean }[] }>;
  }
  interface Document {
    numPages: number;
    getPage(number: number): Promise<Page>;
  }
  export const GlobalWorkerOptions: { workerSrc: string };
  export function getDocument(source: { data: Uint8Array; isEvalSupported: boolean; useSystemFonts: boolean }): { promise: Promise<Document> };
}
