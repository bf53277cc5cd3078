// SPDX-License-Identifier: Apache-2.0
// The server's API as the page uses it: models, readiness, metrics, and an answer as a stream.

import { Chat, Message, Stats, ToolCall } from "./chat.js";

export class ApiError extends Error {
  // status 0: there was no answer at all (the server is away, or went away).
  constructor(message: string, readonly status: number) {
    super(message);
  }
  get away(): boolean {
    return this.status === 0 || this.status === 503;
  }
}

let key = "";
export function useKey(value: string): void {
  key = value;
}

async function call(path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = key ? { authorization: `Bearer ${key}` } : {};
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST", headers, signal: signal ?? null,
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError("The server cannot be reached.", 0);
  }
  if (response.ok) return response;
  const text = await response.text().catch(() => "");
  let message = text.slice(0, 300) || response.statusText;
  try {
    message = JSON.parse(text).error.message ?? message;
  } catch { /* no JSON: its text says it */ }
  throw new ApiError(message, response.status);
}

export async function models(): Promise<string[]> {
  const { data } = await (await call("/v1/models")).json();
  return (data as { id: string }[]).map((model) => model.id);
}

export async function ready(): Promise<boolean> {
  return call("/health/ready").then(() => true, () => false);
}

export async function metrics(): Promise<string> {
  return (await call("/metrics")).text();
}

// What is asked: the chat's path up to `upTo`, in the API's form.
export function requestBody(chat: Chat, messages: Message[]): Record<string, unknown> {
  const { system, schema, tools, ...numbers } = chat.settings;
  const sent: object[] = system ? [{ role: "system", content: system }] : [];
  for (const message of messages) {
    const files = (message.attachments ?? []).map((file) => `File ${file.name}:\n${file.text}\n\n`).join("");
    if (message.role === "tool") sent.push({ role: "tool", tool_call_id: message.callId, content: message.content });
    else if (message.calls?.length)
      sent.push({
        role: "assistant", content: message.content || null,
        tool_calls: message.calls.map((one) => ({ id: one.id, type: "function", function: { name: one.name, arguments: one.arguments } })),
      });
    else sent.push({ role: message.role, content: files + message.content });
  }
  const body: Record<string, unknown> = {
    model: chat.model, messages: sent, stream: true, stream_options: { include_usage: true },
  };
  for (const [name, value] of Object.entries(numbers)) if (value !== null) body[name] = value;
  if (schema.trim())
    body["response_format"] = { type: "json_schema", json_schema: { name: "answer", strict: true, schema: JSON.parse(schema) } };
  if (tools.trim()) body["tools"] = JSON.parse(tools);
  return body;
}

interface Delta {
  content?: string | null;
  reasoning_content?: string | null;
  tool_calls?: { index: number; id?: string; function?: { name?: string; arguments?: string } }[];
}

export interface Answer {
  content: string;
  reasoning: string;
  calls: ToolCall[];
  finish: string;
  stats: Stats;
}

// Streams an answer; `changed` is called with what there is so far. Throws ApiError, and the abort's
// error where `signal` stopped it.
export async function stream(
    body: object, signal: AbortSignal, changed: (answer: Answer) => void): Promise<Answer> {
  const begin = performance.now();
  let first = 0;
  const answer: Answer = {
    content: "", reasoning: "", calls: [], finish: "",
    stats: { promptTokens: 0, cachedTokens: 0, answerTokens: 0, firstTokenMs: 0, tokensPerSecond: 0 },
  };
  const response = await call("/v1/chat/completions", body, signal);
  for await (const data of events(response, signal)) {
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiError(chunk.error.message ?? "The answer failed.", 500);
    const choice = chunk.choices?.[0];
    if (choice) {
      const delta: Delta = choice.delta ?? {};
      if ((delta.content || delta.reasoning_content || delta.tool_calls) && !first) first = performance.now();
      answer.content += delta.content ?? "";
      answer.reasoning += delta.reasoning_content ?? "";
      for (const part of delta.tool_calls ?? []) addCall(answer.calls, part);
      if (choice.finish_reason) answer.finish = choice.finish_reason;
      changed(answer);
    }
    if (chunk.usage) {
      const { prompt_tokens, completion_tokens, prompt_tokens_details } = chunk.usage;
      const seconds = (performance.now() - first) / 1000;
      answer.stats = {
        promptTokens: prompt_tokens, cachedTokens: prompt_tokens_details?.cached_tokens ?? 0,
        answerTokens: completion_tokens, firstTokenMs: first ? first - begin : 0,
        tokensPerSecond: first && seconds > 0 ? (completion_tokens - 1) / seconds : 0,
      };
    }
  }
  if (!answer.finish) throw new ApiError("The answer broke off.", 0);
  return answer;
}

function addCall(calls: ToolCall[], part: NonNullable<Delta["tool_calls"]>[number]): void {
  const one = calls[part.index] ?? (calls[part.index] = { id: "", name: "", arguments: "" });
  if (part.id) one.id = part.id;
  one.name += part.function?.name ?? "";
  one.arguments += part.function?.arguments ?? "";
}

// The data of each server-sent event until [DONE].
async function* events(response: Response, signal: AbortSignal): AsyncGenerator<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let part: { done: boolean; value?: string | undefined };
    try {
      part = await reader.read();
    } catch (error) {
      if (signal.aborted) throw error;
      throw new ApiError("The connection broke.", 0);
    }
    if (part.done) return;
    rest += part.value;
    for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
      const data = rest.slice(0, end).split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n");
      if (data === "[DONE]") return;
      if (data) yield data;
    }
  }
}
