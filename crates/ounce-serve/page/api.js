/** The server's OpenAI-compatible interface. Addresses are relative to the page, so that it also works below a path. */

/** What went wrong with a request: `status` is 0 when no answer came; `code`, `param` and `message` are the server's. */
export class ApiError extends Error {
  constructor(status, body = {}, retryAfter = null) {
    super(body.message || (status ? `status ${status}` : "no answer"));
    Object.assign(this, { status, type: body.type, param: body.param, code: body.code, retryAfter });
  }
}

/** The ids of the models that the server offers. */
export async function listModels(key) {
  const response = await request("v1/models", { headers: headers(key) });
  const body = await json(response);
  return (Array.isArray(body?.data) ? body.data : []).map((model) => String(model.id));
}

/**
 * Streams one answer. `events` gets `text(piece)`; the promise gives `{ finish, usage, requested, first, last, pieces }` (times of
 * performance.now(): when asked, when the first and the last piece of text came). Rejects with ApiError, or AbortError after `signal`.
 */
export async function streamChat(body, key, signal, events) {
  const result = { finish: null, usage: null, requested: performance.now(), first: null, last: null, pieces: 0 };
  const payload = JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } });
  const response = await request("v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers(key) },
    body: payload,
    signal,
  });
  for await (const data of serverSentEvents(response)) {
    if (data === "[DONE]") return result;
    const chunk = parse(data);
    if (chunk.error) throw new ApiError(response.status, errorOf(chunk));
    const choice = chunk.choices?.[0];
    result.usage = chunk.usage ?? result.usage;
    result.finish = choice?.finish_reason ?? result.finish;
    const piece = choice?.delta?.content;
    if (piece) {
      result.last = performance.now();
      result.first ??= result.last;
      result.pieces += 1;
      events.text(piece);
    }
  }
  if (result.finish) return result;
  throw new ApiError(0, { message: "The connection ended before the answer did.", code: "cut_off" });
}

function headers(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function request(address, options) {
  let response;
  try {
    response = await fetch(address, { ...options, credentials: "omit", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    // A key with characters that no header may hold fails here too, before anything is sent.
    const message = /header|ByteString|ISO-8859-1/i.test(error.message) ? "The API key has characters that cannot be sent." : undefined;
    throw new ApiError(message ? 401 : 0, { message });
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw new ApiError(response.status, errorOf(body), Number(response.headers.get("retry-after")) || null);
}

async function json(response) {
  try {
    return await response.json();
  } catch {
    throw new ApiError(response.status, { message: "The answer is not JSON." });
  }
}

function errorOf(body) {
  const error = body?.error;
  return typeof error === "string" ? { message: error } : (error ?? {});
}

function parse(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    throw new ApiError(200, { message: `The server sent an event that is not JSON: ${data.slice(0, 80)}` });
  }
}

/** The data of each server-sent event, whatever way the network cut the bytes. Comments (lines with `:`) are passed over. */
async function* serverSentEvents(response) {
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let rest = "";
  let data = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
        else if (line === "" && data.length) {
          yield data.join("\n");
          data = [];
        }
      }
      if (done) return;
    }
  } catch (error) {
    if (error.name === "AbortError" || error instanceof ApiError) throw error;
    throw new ApiError(0, { message: "The connection broke off.", code: "cut_off" });
  } finally {
    reader.cancel().catch(() => {});
  }
}
