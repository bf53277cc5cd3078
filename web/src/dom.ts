// SPDX-License-Identifier: Apache-2.0
// Elements in one expression, so that the rest of the page reads like what it shows.

type Child = Node | string | null | undefined | false;
type Properties = Record<string, string | number | boolean | null | ((event: Event) => void)>;

// Names that begin with "on" are listeners, booleans set or leave the attribute, null leaves it.
export function h<K extends keyof HTMLElementTagNameMap>(
    tag: K, properties: Properties = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value !== null) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return element;
}

// The element of index.html with this id.
export function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element #${id}`);
  return element as T;
}

export function button(label: string, title: string, onclick: () => void): HTMLButtonElement {
  return h("button", { type: "button", class: "plain", title, onclick }, label);
}

// Hands a file to the browser's downloads.
export function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// Asks for files; resolves to none where the dialog is left.
export function pickFiles(accept: string, multiple: boolean): Promise<File[]> {
  return new Promise((resolve) => {
    const input = h("input", { type: "file", accept, multiple });
    input.addEventListener("change", () => resolve([...(input.files ?? [])]));
    input.addEventListener("cancel", () => resolve([]));
    input.click();
  });
}

// For those who hear the page.
export function announce(text: string): void {
  byId("announce").textContent = text;
}
