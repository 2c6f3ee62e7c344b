/** One answer at a time: asks the server, gathers text and measures. */
import { ApiError, streamChat } from "./api.js";
import { toRequest } from "./conversations.js";
import { explain } from "./errors.js";
import { apiKey, sampling, settings } from "./settings.js";

const STORE_EVERY = 1500;

/** The answer that is being written, or null: `{ conversation, message, controller }`. */
let running = null;

export const current = () => running;

/** Breaks off the answer that is being written. What came so far stays. */
export const stop = () => running?.controller.abort();

/**
 * Writes the answer to `conversation` into `message`, which must be its last. `changed(done)` is called after each change of the message.
 * Never rejects: what goes wrong is told in `message.error`.
 */
export async function answer(conversation, message, changed) {
  const controller = new AbortController();
  running = { conversation, message, controller };
  message.model = settings().model;
  changed(false);
  const body = { model: message.model, messages: toRequest(conversation, settings().system), ...sampling() };
  const partial = { requested: performance.now(), first: null, last: null, pieces: 0 };
  let stored = performance.now();
  const text = (piece) => {
    message.content += piece;
    partial.last = performance.now();
    partial.first ??= partial.last;
    partial.pieces += 1;
    const due = partial.last - stored > STORE_EVERY;
    if (due) stored = partial.last;
    changed(false, due);
  };
  try {
    const result = await streamChat(body, apiKey(), controller.signal, { text });
    message.finish = result.finish;
    message.stats = measure(result);
  } catch (error) {
    if (error.name === "AbortError") message.finish = "stopped";
    else message.error = explain(error instanceof ApiError ? error : new ApiError(-1, { message: error.message }), Boolean(apiKey()));
    if (partial.pieces) message.stats = measure(partial);
  }
  conversation.updated = Date.now();
  running = null;
  changed(true);
}

/**
 * What the page saw: seconds to the first text, and tokens per second from the first text to the last, where the first token is not
 * counted since its time is the wait. Without the server's own count only the pieces are known, and no speed is claimed.
 */
function measure({ usage, requested, first, last, pieces }) {
  const tokens = usage?.completion_tokens;
  const stats = { tokens, pieces, prompt: usage?.prompt_tokens, cached: usage?.prompt_tokens_details?.cached_tokens };
  if (first !== null) stats.wait = (first - requested) / 1000;
  if (tokens > 1 && last > first) stats.rate = (tokens - 1) / ((last - first) / 1000);
  return stats;
}
