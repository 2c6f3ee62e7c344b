/** The conversation on the page: one article per message. */
import { button, copy, element, fit } from "./dom.js";
import { Markdown } from "./markdown.js";

/** Shows a conversation in `root`. `actions` are what its buttons do: `edit(message, text)`, `regenerate()`, `openSettings()`. */
export class Thread {
  constructor(root, actions) {
    Object.assign(this, { root, actions, views: new Map() });
    root.addEventListener("click", ({ target }) => {
      const source = target.closest(".copy-code");
      if (source) copy(source.closest("figure").querySelector("code").textContent, source);
    });
  }

  /** Shows `conversation` from its beginning; `writing` is the message that is being written, if it is one of its. */
  show(conversation, writing) {
    this.views.clear();
    this.root.replaceChildren();
    for (const message of conversation.messages) this.add(message, message === writing);
    this.markLast();
  }

  /** Appends a message. */
  add(message, writing = false) {
    const view = message.role === "user" ? new Question(message, this.actions) : new Answer(message, this.actions);
    this.views.set(message, view);
    this.root.append(view.article);
    view.update(writing);
    this.markLast();
  }

  /** Shows what changed in `message`, at most once per frame while it is being written. */
  update(message, writing) {
    this.views.get(message)?.update(writing);
  }

  /** Opens the editor of the last question. */
  editLast() {
    [...this.views.values()].findLast((view) => view instanceof Question)?.edit();
  }

  /** The button of the last answer that copies it. */
  copyLast() {
    this.root.querySelector(".assistant.last .copy-answer")?.click();
  }

  /** Only the last question can be edited and the last answer written anew. */
  markLast() {
    const views = [...this.views.values()];
    for (const view of views) view.article.classList.remove("last");
    views.findLast((view) => view instanceof Question)?.article.classList.add("last");
    if (views.at(-1) instanceof Answer) views.at(-1).article.classList.add("last");
  }
}

class Question {
  constructor(message, actions) {
    Object.assign(this, { message, actions });
    this.body = element("div", { className: "bubble" });
    this.tools = element("div", { className: "tools" });
    this.tools.append(
      button("Edit", () => this.edit(), { className: "only-last" }),
      button("Copy", ({ currentTarget }) => copy(message.content, currentTarget)),
    );
    this.article = element("article", { className: "message user", "aria-label": "You" }, this.body, this.tools);
  }

  update() {
    this.body.textContent = this.message.content;
  }

  edit() {
    if (this.article.classList.contains("editing")) return;
    const area = element("textarea", { value: this.message.content, "aria-label": "Edit the message" });
    const close = () => {
      this.article.classList.remove("editing");
      form.replaceWith(this.body);
      this.tools.firstChild.focus();
    };
    const submit = () => {
      if (!area.value.trim()) return area.focus();
      this.actions.edit(this.message, area.value.trim());
    };
    const send = button("Send", submit, { className: "primary" });
    const form = element("div", { className: "editor" }, area, element("div", {}, button("Cancel", close), send));
    area.addEventListener("input", () => fit(area));
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
      else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    this.article.classList.add("editing");
    this.body.replaceWith(form);
    fit(area);
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  }
}

class Answer {
  constructor(message, actions) {
    Object.assign(this, { message, actions });
    this.prose = element("div", { className: "prose" });
    this.markdown = new Markdown(this.prose);
    this.notes = element("div", { className: "notes" });
    this.stats = element("p", { className: "stats" });
    const tools = element(
      "div",
      { className: "tools" },
      button("Copy", ({ currentTarget }) => copy(message.content, currentTarget), { className: "copy-answer" }),
      button("Regenerate", () => actions.regenerate(), { className: "only-last" }),
    );
    const foot = element("footer", {}, this.stats, tools);
    this.article = element("article", { className: "message assistant", "aria-label": "Answer" }, this.prose, this.notes, foot);
  }

  update(writing) {
    const { message, article } = this;
    article.classList.toggle("writing", writing);
    article.classList.toggle("waiting", writing && !message.content);
    article.classList.toggle("empty", !writing && !message.content && Boolean(message.error));
    article.setAttribute("aria-busy", String(writing));
    this.markdown.update(message.content, writing);
    if (writing) return;
    this.stats.replaceChildren(...describe(message.stats ?? {}));
    this.notes.replaceChildren(...this.notices());
  }

  notices() {
    const { error, finish } = this.message;
    const notes = [];
    if (finish === "stopped") notes.push(element("p", { className: "note" }, "Stopped."));
    if (finish === "length") notes.push(element("p", { className: "note" }, "Cut off at the limit of tokens. Raise it in Settings, or ask to go on."));
    if (finish === "stop" && !this.message.content) notes.push(element("p", { className: "note" }, "The model had nothing to say."));
    if (error) notes.push(this.failure(error));
    return notes;
  }

  failure({ title, remedy, detail, settings }) {
    const tools = element("div", { className: "buttons" }, button("Try again", () => this.actions.regenerate(), { className: "only-last" }));
    if (settings) tools.append(button("Open Settings", () => this.actions.openSettings()));
    const box = element("div", { className: "failure", role: "alert" }, element("strong", {}, title), element("p", {}, remedy));
    if (detail) box.append(element("p", { className: "detail" }, `The server says: ${detail}`));
    box.append(tools);
    return box;
  }
}

function describe({ tokens, pieces, prompt, cached, wait, rate }) {
  const count = (number, one) => `${number.toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;
  const part = (text, title) => element("span", { title }, text);
  const parts = [];
  if (rate) parts.push(part(`${rate.toFixed(rate < 10 ? 2 : 1)} tokens/s`, "From the first token to the last, as this page saw them; the wait for the first is not in it"));
  if (tokens !== undefined) parts.push(part(count(tokens, "token"), "The answer's tokens, counted by the server"));
  else if (pieces) parts.push(part(count(pieces, "piece"), "Pieces of text that came; the server's count of tokens did not"));
  if (wait !== undefined) parts.push(part(`first after ${wait.toFixed(2)} s`, "From sending to the first text: reading the prompt, and the way here and back"));
  if (prompt !== undefined) {
    const reused = cached ? `, ${cached.toLocaleString("en")} reused` : "";
    parts.push(part(`prompt ${prompt.toLocaleString("en")}${reused}`, "The prompt's tokens, counted by the server; reused ones were still in its cache"));
  }
  return parts;
}
