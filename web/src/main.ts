// SPDX-License-Identifier: Apache-2.0
// The page: which chat is shown, what its buttons and keys do.

import { ApiError, models, useKey } from "./api.js";
import { fill } from "./answering.js";
import { Attachment, Chat, Message, ToolCall, add, children, matches, newChat, path, titleOf, turn } from "./chat.js";
import { announce, button, byId, download, h, pickFiles } from "./dom.js";
import { readFile } from "./files.js";
import { LiveView } from "./live.js";
import { MessageActions, MessageView } from "./messages.js";
import { editSettings } from "./settings.js";
import { Store, loadPreferences, parseExport, savePreferences } from "./store.js";

const saveMs = 500;

class Page implements MessageActions {
  private readonly preferences = loadPreferences();
  private readonly input = byId<HTMLTextAreaElement>("input");
  private readonly list = byId("messages");
  private readonly live = new LiveView();
  private readonly running = new Map<string, AbortController>(); // by chat
  private chats: Chat[] = [];
  private chat: Chat;
  private views = new Map<string, MessageView>();
  private attachments: Attachment[] = [];

  constructor(private readonly store: Store) {
    this.chat = newChat(this.preferences.model, this.preferences.settings);
  }

  async start(): Promise<void> {
    useKey(this.preferences.key);
    this.applyTheme();
    this.showSide(this.preferences.side);
    this.listen();
    this.chats = await this.store.all();
    const wanted = location.hash.slice(1);
    this.open(this.chats.find((chat) => chat.id === wanted) ?? this.chat);
    await this.loadModels();
    this.input.focus();
  }

  // Models, and what to do where they cannot be had.
  private async loadModels(): Promise<void> {
    const select = byId<HTMLSelectElement>("model");
    try {
      const names = await models();
      select.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
      if (!names.includes(this.chat.model)) this.chat.model = names[0] ?? "";
      select.value = this.chat.model;
      this.banner("");
    } catch (error) {
      const locked = error instanceof ApiError && error.status === 401;
      this.banner(locked ? "This server wants an API key: see Settings." : (error as Error).message);
      if (!locked) setTimeout(() => void this.loadModels(), 2000);
    }
  }

  // ---- What is shown

  private open(chat: Chat): void {
    this.chat = chat;
    history.replaceState(null, "", `#${chat.id}`);
    byId<HTMLSelectElement>("model").value = chat.model;
    this.showMessages();
    this.showList();
  }

  private showMessages(): void {
    const shown = path(this.chat);
    const views = new Map(shown.map((message) => [message.id, new MessageView(this.chat, message, this)]));
    this.views = views;
    const streaming = this.running.has(this.chat.id) ? shown[shown.length - 1] : undefined;
    if (streaming) views.get(streaming.id)?.update(true);
    this.list.replaceChildren(...[...views.values()].map((view) => view.element));
    if (shown.length === 0)
      this.list.append(h("div", { class: "empty" }, h("h1", {}, "Ask something"),
        h("p", {}, "Chats stay in this browser. The same question with the same seed has the same answer, whatever else the server does.")));
    this.showState();
    this.list.scrollTop = this.list.scrollHeight;
  }

  private showState(): void {
    const busy = this.running.has(this.chat.id);
    const send = byId("send");
    send.textContent = busy ? "Stop" : "Send";
    send.title = busy ? "Stop the answer (Esc)" : "Send (Enter)";
    byId("title").textContent = titleOf(this.chat);
    document.title = `${titleOf(this.chat)} – Cairn`;
    const { schema, tools, system } = this.chat.settings;
    byId("mode").textContent = [system && "system prompt", schema.trim() && "JSON schema", tools.trim() && "tools"].filter(Boolean).join(" · ");
    byId("files").replaceChildren(...this.attachments.map((file) => h("span", { class: "file" }, file.name,
      button("×", `Remove ${file.name}`, () => { this.attachments = this.attachments.filter((one) => one !== file); this.showState(); }))));
  }

  private showList(): void {
    const words = byId<HTMLInputElement>("search").value;
    byId("chats").replaceChildren(...this.chats.filter((chat) => matches(chat, words)).map((chat) =>
      h("li", { class: chat === this.chat ? "current" : "" },
        h("button", { type: "button", class: "plain open", onclick: () => { this.open(chat); if (innerWidth <= 760) this.showSide(false); } }, titleOf(chat)),
        button("⤓", "Export this chat", () => download(`${titleOf(chat)}.json`, JSON.stringify({ chats: [chat] }, null, 2))),
        button("×", "Delete this chat", () => void this.remove(chat)))));
  }

  private banner(text: string): void {
    byId("banner").textContent = text;
    byId("banner").hidden = !text;
  }

  private applyTheme(): void {
    const { theme } = this.preferences;
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    byId("theme").textContent = `Theme: ${theme}`;
  }

  private showSide(open: boolean): void {
    byId("app").classList.toggle("with-side", open);
    byId("toggle-side").setAttribute("aria-expanded", String(open));
    this.preferences.side = open;
    savePreferences(this.preferences);
  }

  // ---- Asking

  private send(): void {
    const content = this.input.value.trim();
    if (!content && this.attachments.length === 0) return;
    const last = path(this.chat).pop();
    this.ask({ parent: last?.id ?? null, role: "user", content, ...(this.attachments.length ? { attachments: this.attachments } : {}) });
    this.input.value = "";
    this.attachments = [];
    this.grow();
  }

  private ask(question: Omit<Message, "id">): void {
    if (!this.chats.includes(this.chat)) this.chats.unshift(this.chat);
    const asked = add(this.chat, question);
    void this.answer(asked);
  }

  // An answer as the newest child of `asked`.
  private async answer(asked: Message): Promise<void> {
    const { chat } = this;
    this.running.get(chat.id)?.abort();
    const control = new AbortController();
    const context = path(chat);
    const until = context.slice(0, context.indexOf(asked) + 1);
    const message = add(chat, { parent: asked.id, role: "assistant", content: "", model: chat.model });
    this.running.set(chat.id, control);
    this.showMessages();
    this.showList();
    let drawing = 0, saved = performance.now();
    await fill(chat, until, message, control.signal, {
      changed: () => {
        drawing ||= requestAnimationFrame(() => {
          drawing = 0;
          this.redraw(message, true);
        });
        if (performance.now() - saved < saveMs) return;
        saved = performance.now();
        void this.store.put(chat);
      },
      away: (away) => this.banner(away ? "The server is away; the answer goes on when it is back." : ""),
    });
    cancelAnimationFrame(drawing);
    if (this.running.get(chat.id) === control) this.running.delete(chat.id);
    await this.store.put(chat);
    this.redraw(message, false);
    if (chat === this.chat) this.showState();
    this.showList();
    announce(message.error ?? (message.finish === "stopped" ? "Stopped." : "The answer is complete."));
  }

  private redraw(message: Message, streaming: boolean): void {
    const { list } = this;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    this.views.get(message.id)?.update(streaming);
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  private stop(): void {
    this.running.get(this.chat.id)?.abort();
  }

  // ---- MessageActions

  regenerate(message: Message): void {
    const asked = message.parent === null ? undefined : this.chat.messages[message.parent];
    if (!asked) return;
    // The same seed would give the same answer.
    this.chat.settings.seed = (this.chat.settings.seed ?? 0) + 1;
    void this.answer(asked);
  }

  edit(message: Message, content: string): void {
    if (!content.trim()) return;
    this.stop();
    this.ask({ parent: message.parent, role: "user", content: content.trim(), ...(message.attachments ? { attachments: message.attachments } : {}) });
  }

  turn(message: Message, by: number): void {
    turn(this.chat, message, by);
    void this.store.put(this.chat);
    this.showMessages();
  }

  answerCall(message: Message, call: ToolCall, result: string): void {
    const last = path(this.chat).pop() ?? message;
    const made = add(this.chat, { parent: last.id, role: "tool", content: result, callId: call.id });
    const open = (message.calls ?? []).some((one) => !Object.values(this.chat.messages).some((other) => other.callId === one.id));
    if (open) {
      void this.store.put(this.chat);
      this.showMessages();
    } else void this.answer(made);
  }

  // ---- Chats

  private fresh(): void {
    this.open(newChat(byId<HTMLSelectElement>("model").value || this.preferences.model, this.preferences.settings));
    this.input.focus();
  }

  private async remove(chat: Chat): Promise<void> {
    if (!confirm(`Delete "${titleOf(chat)}"?`)) return;
    this.running.get(chat.id)?.abort();
    this.chats = this.chats.filter((one) => one !== chat);
    await this.store.remove(chat.id);
    if (chat === this.chat) this.fresh();
    this.showList();
  }

  private async importFile(): Promise<void> {
    const [file] = await pickFiles(".json,application/json", false);
    if (!file) return;
    try {
      const chats = parseExport(await file.text());
      for (const chat of chats) await this.store.put(chat);
      this.chats = await this.store.all();
      this.open(this.chats.find((chat) => chat.id === chats[0]!.id)!);
    } catch (error) {
      this.banner((error as Error).message);
    }
  }

  private async attach(files: File[]): Promise<void> {
    for (const file of files) {
      try {
        this.attachments.push(await readFile(file));
      } catch (error) {
        this.banner((error as Error).message);
      }
    }
    this.showState();
    this.input.focus();
  }

  private async openSettings(): Promise<void> {
    const result = await editSettings(this.chat.settings, this.preferences.key);
    if (!result) return;
    this.chat.settings = result.settings;
    this.preferences.key = result.key;
    if (result.forNewChats) this.preferences.settings = { ...result.settings };
    savePreferences(this.preferences);
    useKey(result.key);
    if (this.chats.includes(this.chat)) await this.store.put(this.chat);
    this.showState();
    await this.loadModels();
  }

  private rename(): void {
    const title = prompt("Title of this chat", titleOf(this.chat));
    if (title === null) return;
    this.chat.title = title.trim().slice(0, 200);
    if (this.chats.includes(this.chat)) void this.store.put(this.chat);
    this.showState();
    this.showList();
  }

  private grow(): void {
    this.input.rows = Math.min(12, this.input.value.split("\n").length);
  }

  // ---- Keys and buttons

  private listen(): void {
    const click = (id: string, does: () => void) => byId(id).addEventListener("click", does);
    click("new-chat", () => this.fresh());
    click("toggle-side", () => this.showSide(!this.preferences.side));
    click("open-settings", () => void this.openSettings());
    click("open-live", () => byId("open-live").setAttribute("aria-pressed", String(this.live.toggle())));
    click("import", () => void this.importFile());
    click("export-all", () => download("cairn-chats.json", JSON.stringify({ chats: this.chats }, null, 2)));
    click("title", () => this.rename());
    click("attach", () => void pickFiles("", true).then((files) => this.attach(files)));
    click("theme", () => {
      const order = ["system", "light", "dark"] as const;
      this.preferences.theme = order[(order.indexOf(this.preferences.theme) + 1) % order.length]!;
      savePreferences(this.preferences);
      this.applyTheme();
    });
    byId("title").addEventListener("keydown", (event) => { if (event.key === "Enter") this.rename(); });
    byId("search").addEventListener("input", () => this.showList());
    byId<HTMLSelectElement>("model").addEventListener("change", (event) => {
      this.chat.model = this.preferences.model = (event.target as HTMLSelectElement).value;
      savePreferences(this.preferences);
    });
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.running.has(this.chat.id)) this.stop();
      else this.send();
    });
    this.input.addEventListener("input", () => this.grow());
    this.input.addEventListener("keydown", (event) => this.inputKey(event));
    document.addEventListener("keydown", (event) => this.pageKey(event));
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      void this.attach([...(event.dataTransfer?.files ?? [])]);
    });
  }

  private inputKey(event: KeyboardEvent): void {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (!this.running.has(this.chat.id)) this.send();
    }
    if (event.key === "ArrowUp" && !this.input.value) {
      const mine = path(this.chat).filter((message) => message.role === "user").pop();
      if (!mine) return;
      event.preventDefault();
      this.views.get(mine.id)?.openEditor();
    }
  }

  private pageKey(event: KeyboardEvent): void {
    const control = event.ctrlKey || event.metaKey;
    if (control && event.key === "k") {
      event.preventDefault();
      this.showSide(true);
      byId("search").focus();
    } else if (control && event.shiftKey && event.key.toLowerCase() === "o") {
      event.preventDefault();
      this.fresh();
    } else if (event.key === "Escape") this.stop();
    else if (event.altKey && (event.key === "ArrowLeft" || event.key === "ArrowRight")) this.turnLast(event);
  }

  // Alt and an arrow walk the branches of the last message that has any.
  private turnLast(event: KeyboardEvent): void {
    for (const message of path(this.chat).reverse()) {
      if (children(this.chat, message.parent).length < 2) continue;
      event.preventDefault();
      return this.turn(message, event.key === "ArrowLeft" ? -1 : 1);
    }
  }
}

void Store.open().then((store) => new Page(store).start());
