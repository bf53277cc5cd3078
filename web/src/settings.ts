// SPDX-License-Identifier: Apache-2.0
// The dialog of a chat's settings: what the model is told, how it samples, what form answers have.

import { Settings, plainSettings } from "./chat.js";
import { byId, h } from "./dom.js";

interface NumberField {
  name: "temperature" | "top_p" | "top_k" | "min_p" | "repeat_penalty" | "max_tokens" | "seed";
  label: string;
  least: number;
  most: number;
  step: number;
  hint: string;
}

const numbers: NumberField[] = [
  { name: "temperature", label: "Temperature", least: 0, most: 100, step: 0.05, hint: "0: always the likeliest" },
  { name: "top_p", label: "Top p", least: 0, most: 1, step: 0.01, hint: "share of the likeliest" },
  { name: "top_k", label: "Top k", least: 0, most: 100000, step: 1, hint: "0: all" },
  { name: "min_p", label: "Min p", least: 0, most: 1, step: 0.01, hint: "beside the likeliest" },
  { name: "repeat_penalty", label: "Repeat penalty", least: 0.01, most: 10, step: 0.01, hint: "1: none" },
  { name: "max_tokens", label: "Most tokens", least: 1, most: 1000000, step: 1, hint: "of an answer" },
  { name: "seed", label: "Seed", least: 0, most: 9007199254740991, step: 1, hint: "same seed, same answer" },
];

// What is wrong with a text that should be JSON of this kind; empty: nothing.
function complaint(text: string, kind: "object" | "array"): string {
  if (!text.trim()) return "";
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) !== (kind === "array") || typeof value !== "object") return `This must be a JSON ${kind}.`;
    return "";
  } catch (error) {
    return `No JSON: ${(error as Error).message}`;
  }
}

export interface SettingsResult {
  settings: Settings;
  key: string;
  forNewChats: boolean;
}

// Resolves to null where it was left.
export function editSettings(settings: Settings, key: string): Promise<SettingsResult | null> {
  const dialog = byId<HTMLDialogElement>("settings");
  const system = h("textarea", { id: "set-system", rows: 3 });
  system.value = settings.system;
  const schema = h("textarea", { id: "set-schema", rows: 4, spellcheck: "false", placeholder: '{"type": "object", ...}' });
  schema.value = settings.schema;
  const tools = h("textarea", { id: "set-tools", rows: 4, spellcheck: "false", placeholder: '[{"type": "function", "function": {"name": ...}}]' });
  tools.value = settings.tools;
  const keyField = h("input", { id: "set-key", type: "password", autocomplete: "off" });
  keyField.value = key;
  const forAll = h("input", { id: "set-all", type: "checkbox" });
  const fields = numbers.map((field) => {
    const input = h("input", { id: `set-${field.name}`, type: "number", min: field.least, max: field.most, step: field.step, placeholder: "default" });
    const value = settings[field.name];
    input.value = value === null ? "" : String(value);
    return { field, input };
  });
  const wrong = h("p", { class: "error", role: "alert" });

  return new Promise((resolve) => {
    let result: SettingsResult | null = null;
    const form = h("form", { method: "dialog", onsubmit: (event) => {
      wrong.textContent = complaint(schema.value, "object") || complaint(tools.value, "array");
      if (wrong.textContent) return event.preventDefault();
      const read: Settings = { ...plainSettings, system: system.value, schema: schema.value, tools: tools.value };
      for (const { field, input } of fields) read[field.name] = input.value === "" ? null : Number(input.value);
      result = { settings: read, key: keyField.value, forNewChats: forAll.checked };
    } },
      h("h2", {}, "Settings of this chat"),
      h("label", { for: "set-system" }, "System prompt"), system,
      h("div", { class: "grid" }, ...fields.map(({ field, input }) =>
        h("div", {}, h("label", { for: input.id }, field.label), input, h("small", {}, field.hint)))),
      h("label", { for: "set-schema" }, "JSON schema of answers"), schema,
      h("label", { for: "set-tools" }, "Tools the model may call"), tools,
      h("label", { for: "set-key" }, "API key"), keyField,
      h("label", { class: "check" }, forAll, "Also for new chats"),
      wrong,
      h("div", { class: "row" }, h("span", { class: "space" }),
        h("button", { type: "button", class: "plain", onclick: () => dialog.close() }, "Cancel"),
        h("button", { type: "submit", id: "set-save" }, "Save")));
    dialog.replaceChildren(form);
    dialog.addEventListener("close", () => resolve(result), { once: true });
    dialog.showModal();
    system.focus();
  });
}
