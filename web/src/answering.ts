// SPDX-License-Identifier: Apache-2.0
// One answer from the first request to its end, whatever becomes of the connection.
//
// Where the server goes away in the middle, the text so far stays, and the question is asked again
// once the server is back: the same seed gives the same bytes, so the new stream grows through the
// text that is there and goes on behind it.

import { ApiError, ready, requestBody, stream } from "./api.js";
import { Chat, Message } from "./chat.js";

const mostAttempts = 5;
const waitMs = 1000;
const mostWaitSeconds = 120;

export interface AnsweringHooks {
  changed(): void; // the message has more text
  away(away: boolean): void; // the server is being waited for, or is back
}

async function untilReady(signal: AbortSignal): Promise<boolean> {
  for (let second = 0; second < mostWaitSeconds && !signal.aborted; ++second) {
    if (await ready()) return true;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  return false;
}

// Fills `message`, the answer to `asked`; its `finish` or `error` says how it ended.
export async function fill(
    chat: Chat, asked: Message[], message: Message, signal: AbortSignal, hooks: AnsweringHooks): Promise<void> {
  delete message.error;
  delete message.finish;
  for (let attempt = 1; ; ++attempt) {
    try {
      const body = requestBody(chat, asked);
      const answer = await stream(body, signal, ({ content, reasoning, calls }) => {
        if (content.length >= message.content.length) message.content = content;
        if (reasoning) message.reasoning = reasoning;
        if (calls.length) message.calls = calls;
        hooks.changed();
      });
      message.content = answer.content;
      message.finish = answer.finish;
      message.stats = answer.stats;
      return;
    } catch (error) {
      if (signal.aborted) {
        message.finish = "stopped";
        return;
      }
      const away = error instanceof ApiError && error.away;
      if (!away || attempt === mostAttempts) {
        message.error = (error as Error).message;
        return;
      }
      hooks.away(true);
      const back = await untilReady(signal);
      hooks.away(false);
      if (!back && !signal.aborted) {
        message.error = "The server went away and did not come back.";
        return;
      }
    }
  }
}
