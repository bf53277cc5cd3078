// SPDX-License-Identifier: Apache-2.0
// Chats on the user's own disk, in the browser's database. Nothing of them is kept by the server.

import { Chat, Settings, plainSettings, readChat } from "./chat.js";

function request<T>(of: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    of.onsuccess = () => resolve(of.result);
    of.onerror = () => reject(of.error);
  });
}

export class Store {
  private constructor(private readonly database: IDBDatabase) {}

  static async open(): Promise<Store> {
    const opening = indexedDB.open("cairn", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("chats", { keyPath: "id" });
    return new Store(await request(opening));
  }

  async all(): Promise<Chat[]> {
    const chats = await request<Chat[]>(this.database.transaction("chats").objectStore("chats").getAll());
    return chats.sort((a, b) => b.updated - a.updated);
  }

  async put(chat: Chat): Promise<void> {
    await request(this.database.transaction("chats", "readwrite").objectStore("chats").put(chat));
  }

  async remove(id: string): Promise<void> {
    await request(this.database.transaction("chats", "readwrite").objectStore("chats").delete(id));
  }
}

export interface Preferences {
  theme: "system" | "light" | "dark";
  key: string; // of the API; empty: none
  settings: Settings; // of new chats
  model: string;
  side: boolean; // the list of chats is open
}

export function loadPreferences(): Preferences {
  const plain: Preferences = { theme: "system", key: "", settings: { ...plainSettings }, model: "", side: innerWidth > 760 };
  try {
    return { ...plain, ...JSON.parse(localStorage.getItem("cairn") ?? "{}") };
  } catch {
    return plain;
  }
}

export function savePreferences(preferences: Preferences): void {
  localStorage.setItem("cairn", JSON.stringify(preferences));
}

// The chats of an exported file, or of one chat's. Throws a sentence for people.
export function parseExport(text: string): Chat[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("This file holds no JSON.");
  }
  const list = Array.isArray(value) ? value : (value as { chats?: unknown[] })?.chats ?? [value];
  const chats = list.map(readChat).filter((chat): chat is Chat => chat !== null);
  if (chats.length === 0) throw new Error("This file holds no chats of Cairn.");
  return chats;
}
