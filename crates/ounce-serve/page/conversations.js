/** Conversations, each under its own key of localStorage so that two tabs do not overwrite each other's. */

const PREFIX = "ounce.conversation.";
const ROLES = new Set(["user", "assistant"]);
const TITLE = 48;

/** A conversation that nothing has been said in yet: `{ id, title, created, updated, messages: [{ role, content, … }] }`. */
export function begin() {
  const id = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
  return { id, title: "", created: Date.now(), updated: Date.now(), messages: [] };
}

/** All stored conversations, the last used first. */
export function all() {
  const found = [];
  try {
    for (let index = 0; index < localStorage.length; index += 1) {
      const name = localStorage.key(index);
      const conversation = name.startsWith(PREFIX) && read(localStorage.getItem(name));
      if (conversation) found.push(conversation);
    }
  } catch {
    // Without storage there are none.
  }
  return found.sort((a, b) => b.updated - a.updated);
}

/** Stores `conversation`; false when the browser's storage is full or refused. */
export function save(conversation) {
  try {
    localStorage.setItem(PREFIX + conversation.id, JSON.stringify(conversation));
    return true;
  } catch {
    return false;
  }
}

/** Forgets the conversation `id`. */
export function remove(id) {
  try {
    localStorage.removeItem(PREFIX + id);
  } catch {
    // Nothing was stored.
  }
}

/** Whether a storage event of another tab concerns conversations. */
export const concerns = (event) => event.key === null || event.key.startsWith(PREFIX);

/** The title that a conversation has: its own, or the beginning of its first message. */
export function titleOf(conversation) {
  if (conversation.title) return conversation.title;
  const text = (conversation.messages[0]?.content ?? "").trim().replace(/\s+/g, " ");
  return text.length > TITLE ? `${text.slice(0, TITLE).trimEnd()}…` : text || "New conversation";
}

/** The messages to send: the system prompt first; answers without text left out; messages of one role in a row joined. */
export function toRequest(conversation, system) {
  const messages = system.trim() ? [{ role: "system", content: system }] : [];
  for (const { role, content } of conversation.messages) {
    const last = messages.at(-1);
    if (!content) continue;
    if (last?.role === role) last.content += `\n\n${content}`;
    else messages.push({ role, content });
  }
  return messages;
}

/** The conversation as Markdown. */
export function toMarkdown(conversation) {
  const parts = conversation.messages.map(({ role, content, model }) => {
    const who = role === "user" ? "You" : model || "Assistant";
    return `## ${who}\n\n${content.trim()}\n`;
  });
  return `# ${titleOf(conversation)}\n\n${parts.join("\n")}`;
}

/** The conversation as JSON, in the shape of an OpenAI request with the title and times beside it. */
export function toJson(conversation) {
  const { title, created, updated, messages } = conversation;
  const times = { created: new Date(created).toISOString(), updated: new Date(updated).toISOString() };
  return `${JSON.stringify({ title: title || titleOf(conversation), ...times, messages }, null, 2)}\n`;
}

function read(stored) {
  try {
    const value = JSON.parse(stored);
    if (typeof value.id !== "string" || !Array.isArray(value.messages)) return null;
    const messages = value.messages.filter((message) => ROLES.has(message?.role) && typeof message.content === "string");
    const time = (number) => (Number.isFinite(number) ? number : 0);
    return { ...value, title: String(value.title ?? ""), created: time(value.created), updated: time(value.updated), messages };
  } catch {
    return null;
  }
}
