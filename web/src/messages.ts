// SPDX-License-Identifier: Apache-2.0
// How messages look: text, reasoning, files, tool calls, figures, and what one can do with them.

import { Chat, Message, ToolCall, children } from "./chat.js";
import { button, h } from "./dom.js";
import { show, showJson } from "./markdown.js";

export interface MessageActions {
  regenerate(message: Message): void;
  edit(message: Message, content: string): void;
  turn(message: Message, by: number): void;
  answerCall(message: Message, call: ToolCall, result: string): void;
}

export class MessageView {
  readonly element: HTMLElement;
  private readonly body = h("div", { class: "body" });
  private readonly extra = h("div", { class: "extra" });
  private readonly foot = h("footer");

  constructor(private readonly chat: Chat, readonly message: Message, private readonly actions: MessageActions) {
    const who = message.role === "user" ? "You" : message.role === "tool" ? "Tool" : message.model || "Assistant";
    this.element = h("article", { class: `message ${message.role}`, "data-id": message.id, "aria-label": who },
      h("header", {}, who), this.extra, this.body, this.foot);
    this.update(false);
  }

  // Shows what the message holds now.
  update(streaming: boolean): void {
    const { message } = this;
    this.extra.replaceChildren();
    for (const file of message.attachments ?? [])
      this.extra.append(h("details", {}, h("summary", {}, `${file.name}, ${file.text.length.toLocaleString()} characters`), h("pre", {}, file.text)));
    if (message.reasoning)
      this.extra.append(h("details", { class: "reasoning", open: streaming && !message.content }, h("summary", {}, "Reasoning"), h("p", {}, message.reasoning)));
    if (message.role === "assistant" && this.chat.settings.schema.trim() && /^\s*[[{]/.test(message.content))
      showJson(this.body, message.content, !streaming);
    else if (message.role === "assistant") show(this.body, message.content, !streaming);
    else this.body.replaceChildren(h("p", { class: "as-is" }, message.content));
    for (const call of message.calls ?? []) this.body.append(this.callCard(call, streaming));
    if (message.error) this.body.append(h("p", { class: "error", role: "alert" }, message.error));
    this.element.classList.toggle("streaming", streaming);
    this.element.setAttribute("aria-busy", String(streaming));
    this.foot.replaceChildren(...(streaming ? [] : this.footer()));
  }

  // A call and what the tool gave: the log of tools is the conversation itself.
  private callCard(call: ToolCall, streaming: boolean): HTMLElement {
    const answered = Object.values(this.chat.messages).some((one) => one.callId === call.id);
    const card = h("section", { class: "call" }, h("header", {}, "Calls ", h("code", {}, call.name)));
    const shown = h("div");
    showJson(shown, call.arguments, !streaming);
    card.append(shown);
    if (answered || streaming) return card;
    const field = h("textarea", { rows: 2, "aria-label": `Result of ${call.name}`, placeholder: "What the tool gave" });
    card.append(field, h("div", { class: "row" }, h("span", { class: "space" }),
      button("Send result", "Give this result to the model", () => this.actions.answerCall(this.message, call, field.value))));
    return card;
  }

  private footer(): HTMLElement[] {
    const { message, actions } = this;
    const parts: HTMLElement[] = [];
    const siblings = children(this.chat, message.parent);
    if (siblings.length > 1) {
      const at = siblings.indexOf(message) + 1;
      parts.push(h("span", { class: "branches" },
        button("‹", "The one before (Alt+Left)", () => actions.turn(message, -1)), `${at}/${siblings.length}`,
        button("›", "The next one (Alt+Right)", () => actions.turn(message, 1))));
    }
    if (message.role === "assistant") parts.push(button("Regenerate", "Another answer, beside this one", () => actions.regenerate(message)));
    if (message.role === "user") parts.push(button("Edit", "Ask something else here, beside this", () => this.openEditor()));
    parts.push(button("Copy", "Copy the text", () => void navigator.clipboard.writeText(message.content)));
    if (message.stats) parts.push(h("span", { class: "quiet" }, statsText(message)));
    else if (message.role === "assistant" && message.finish === "stopped") parts.push(h("span", { class: "quiet" }, "stopped"));
    return parts;
  }

  openEditor(): void {
    const field = h("textarea", { rows: 4, "aria-label": "Edit the message" });
    field.value = this.message.content;
    const done = () => this.update(false);
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { event.stopPropagation(); done(); }
      if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); this.actions.edit(this.message, field.value); }
    });
    this.body.replaceChildren(field, h("div", { class: "row" }, h("span", { class: "space" }), button("Cancel", "Leave it as it was", done),
      button("Send", "Ask this instead", () => this.actions.edit(this.message, field.value))));
    field.focus();
  }
}

function statsText(message: Message): string {
  const stats = message.stats!;
  const parts = [`${stats.answerTokens} tokens`];
  if (stats.tokensPerSecond > 0) parts.push(`${stats.tokensPerSecond.toFixed(0)} tokens/s`);
  parts.push(`first after ${stats.firstTokenMs.toFixed(0)} ms`, `${stats.cachedTokens} of ${stats.promptTokens} prompt tokens cached`);
  if (message.finish === "length") parts.push("cut at the most tokens");
  return parts.join(" · ");
}
