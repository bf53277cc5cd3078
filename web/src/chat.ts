// SPDX-License-Identifier: Apache-2.0
// A chat is a tree of messages: an edited question and another answer are siblings, nothing that was
// said is lost. What is shown is one path from the root; `chosen` remembers the way at each fork.

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

export interface Attachment {
  name: string;
  text: string;
}

// What the server and the clock said about an answer.
export interface Stats {
  promptTokens: number;
  cachedTokens: number;
  answerTokens: number;
  firstTokenMs: number;
  tokensPerSecond: number;
}

export interface Message {
  id: string;
  parent: string | null;
  role: "user" | "assistant" | "tool";
  content: string;
  reasoning?: string;
  attachments?: Attachment[];
  calls?: ToolCall[];
  callId?: string; // of a tool's result
  model?: string;
  finish?: string; // absent while it streams and where it broke off
  error?: string;
  stats?: Stats;
}

export interface Settings {
  system: string;
  temperature: number | null; // null: the server's own
  top_p: number | null;
  top_k: number | null;
  min_p: number | null;
  repeat_penalty: number | null;
  max_tokens: number | null;
  seed: number | null;
  schema: string; // JSON schema of answers; empty: text
  tools: string; // JSON array of function tools; empty: none
}

export interface Chat {
  id: string;
  title: string;
  model: string;
  created: number;
  updated: number;
  settings: Settings;
  messages: Record<string, Message>;
  chosen: Record<string, string>; // parent's id ("" for the root) to the child that is shown
}

export const plainSettings: Settings = {
  system: "", temperature: null, top_p: null, top_k: null, min_p: null, repeat_penalty: null,
  max_tokens: null, seed: null, schema: "", tools: "",
};

export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function newChat(model: string, settings: Settings): Chat {
  const now = Date.now();
  return { id: newId(), title: "", model, created: now, updated: now, settings: { ...settings }, messages: {}, chosen: {} };
}

// In the order they were made: objects keep the order of insertion.
export function children(chat: Chat, parent: string | null): Message[] {
  return Object.values(chat.messages).filter((message) => message.parent === parent);
}

// The messages that are shown, from the first to the last.
export function path(chat: Chat): Message[] {
  const byParent = new Map<string, Message[]>();
  for (const message of Object.values(chat.messages)) {
    const key = message.parent ?? "";
    byParent.set(key, [...(byParent.get(key) ?? []), message]);
  }
  const shown: Message[] = [];
  for (let at = ""; ;) {
    const next = byParent.get(at) ?? [];
    const message = next.find((one) => one.id === chat.chosen[at]) ?? next[next.length - 1];
    if (!message || shown.includes(message)) return shown; // an imported file may hold a ring
    shown.push(message);
    at = message.id;
  }
}

// Adds a message and shows it.
export function add(chat: Chat, message: Omit<Message, "id">): Message {
  const whole = { ...message, id: newId() };
  chat.messages[whole.id] = whole;
  chat.chosen[whole.parent ?? ""] = whole.id;
  chat.updated = Date.now();
  return whole;
}

// Shows the sibling `by` places on, around the end.
export function turn(chat: Chat, message: Message, by: number): void {
  const all = children(chat, message.parent);
  const next = all[(all.indexOf(message) + by + all.length) % all.length];
  if (next) chat.chosen[message.parent ?? ""] = next.id;
}

// The title that a chat has until somebody gives it one.
export function titleOf(chat: Chat): string {
  if (chat.title) return chat.title;
  const first = path(chat).find((message) => message.role === "user");
  return first?.content.replace(/\s+/g, " ").trim().slice(0, 60) || "New chat";
}

export function matches(chat: Chat, words: string): boolean {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return true;
  const text = [titleOf(chat), ...Object.values(chat.messages).map((message) => message.content)].join("\n").toLowerCase();
  return wanted.every((word) => text.includes(word));
}

// A chat from a file that anybody may have written: what is not right is left out, null where it is
// no chat at all.
export function readChat(value: unknown): Chat | null {
  if (typeof value !== "object" || value === null) return null;
  const from = value as Partial<Chat>;
  if (typeof from.messages !== "object" || from.messages === null) return null;
  const chat = newChat(typeof from.model === "string" ? from.model : "", plainSettings);
  if (typeof from.title === "string") chat.title = from.title.slice(0, 200);
  for (const key of Object.keys(plainSettings) as (keyof Settings)[]) {
    const setting = from.settings?.[key];
    if (typeof setting === typeof plainSettings[key] || (plainSettings[key] === null && typeof setting === "number"))
      Object.assign(chat.settings, { [key]: setting });
  }
  for (const message of Object.values(from.messages)) {
    if (typeof message?.id !== "string" || typeof message.content !== "string") continue;
    if (!["user", "assistant", "tool"].includes(message.role)) continue;
    const { id, role, content } = message;
    const parent = typeof message.parent === "string" ? message.parent : null;
    chat.messages[id] = { id, parent, role, content };
    const read = chat.messages[id];
    if (typeof message.reasoning === "string") read.reasoning = message.reasoning;
    if (typeof message.model === "string") read.model = message.model;
    if (typeof message.finish === "string") read.finish = message.finish;
    if (typeof message.callId === "string") read.callId = message.callId;
    if (Array.isArray(message.calls))
      read.calls = message.calls.filter((call) => [call?.id, call?.name, call?.arguments].every((part) => typeof part === "string"));
    if (Array.isArray(message.attachments))
      read.attachments = message.attachments.filter((file) => typeof file?.name === "string" && typeof file?.text === "string");
  }
  for (const message of Object.values(chat.messages))
    if (message.parent !== null && !chat.messages[message.parent]) message.parent = null;
  for (const [at, chosen] of Object.entries(from.chosen ?? {}))
    if (typeof chosen === "string") chat.chosen[at] = chosen;
  return chat;
}
