/** The page: ties the conversation, the composer, the list and the dialogs together. */
import { answer, current, stop } from "./answer.js";
import { listModels } from "./api.js";
import { Composer } from "./composer.js";
import * as store from "./conversations.js";
import { byId, button, element } from "./dom.js";
import { explain } from "./errors.js";
import { download } from "./export.js";
import { bindKeys } from "./keys.js";
import { Follower } from "./scroll.js";
import { apiKey, loadSettings, set, settings } from "./settings.js";
import { Sidebar } from "./sidebar.js";
import { Thread } from "./thread.js";

const STARTERS = ["Explain quantization to a cook.", "Write a haiku about snow.", "Show quicksort in Python."];

let conversation = store.begin();

const openDialog = (id) => byId(id).showModal();
const follower = new Follower(byId("scroller"), byId("to-latest"));
const thread = new Thread(byId("thread"), { edit, regenerate, openSettings: () => openDialog("settings") });
const composer = new Composer({ send, stop, editLast: () => !current() && thread.editLast() });
const sidebar = new Sidebar({ open, removed, renamed });

function open(chosen) {
  const run = current();
  conversation = run?.conversation.id === chosen.id ? run.conversation : chosen;
  thread.show(conversation, run?.message);
  byId("welcome").hidden = conversation.messages.length > 0;
  location.hash = conversation.messages.length ? conversation.id : "";
  sidebar.uncover();
  refresh();
  follower.toEnd();
}

function newConversation() {
  open(store.begin());
  composer.focus();
}

function refresh() {
  const run = current();
  sidebar.show(conversation, run?.conversation);
  composer.busy = Boolean(run);
  byId("export").disabled = !conversation.messages.length;
  document.title = conversation.messages.length ? `${store.titleOf(conversation)} · Ounce` : "Ounce";
}

function keep(changed) {
  const kept = store.save(changed);
  if (!kept) announce("This browser's storage is full or refused: the conversation lasts as long as this page.", true);
}

function announce(text, shown = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("hidden", !shown);
}

function send(text) {
  if (current()) return false;
  const message = { role: "user", content: text };
  dropFailure();
  conversation.messages.push(message);
  conversation.updated = Date.now();
  byId("welcome").hidden = true;
  thread.add(message);
  write();
  return true;
}

/** An answer that failed before its first word leaves no trace once the user goes on. */
function dropFailure() {
  const last = conversation.messages.at(-1);
  if (last?.role !== "assistant" || last.content) return;
  conversation.messages.pop();
  thread.show(conversation);
}

async function write(previous = null) {
  const asked = conversation;
  const message = { role: "assistant", content: "" };
  asked.messages.push(message);
  thread.add(message, true);
  announce("Answering");
  let frame = 0;
  const draw = () => {
    frame = 0;
    thread.update(message, true);
    follower.grown();
  };
  const changed = (done, due = true) => {
    if (due && !done) keep(asked);
    if (!done) frame ||= requestAnimationFrame(draw);
  };
  const run = answer(asked, message, changed);
  refresh();
  location.hash = asked.id;
  follower.toEnd();
  await run;
  cancelAnimationFrame(frame);
  if (previous && message.error && !message.content) Object.assign(message, { content: previous.content, stats: previous.stats });
  if (!removedIds.has(asked.id)) keep(asked);
  thread.update(message, false);
  follower.grown();
  announce(message.error ? message.error.title : message.finish === "stopped" ? "Stopped" : "The answer is complete");
  if (message.error) loadModels();
  refresh();
}

function edit(message, text) {
  if (current()) return;
  conversation.messages.splice(conversation.messages.indexOf(message) + 1);
  message.content = text;
  thread.show(conversation);
  write();
  composer.focus();
}

function regenerate() {
  if (current() || !conversation.messages.length) return;
  const previous = conversation.messages.at(-1).role === "assistant" ? conversation.messages.pop() : null;
  thread.show(conversation);
  write(previous?.content ? previous : null);
}

const removedIds = new Set();

function removed(ids) {
  for (const id of ids) removedIds.add(id);
  if (ids.includes(current()?.conversation.id)) stop();
  if (ids.includes(conversation.id)) newConversation();
  else refresh();
}

function renamed(id, title) {
  const held = [conversation, current()?.conversation, ...store.all()].find((candidate) => candidate?.id === id);
  if (!held) return;
  held.title = title;
  keep(held);
  refresh();
}

async function loadModels() {
  const picker = byId("model");
  try {
    const models = await listModels(apiKey());
    if (!models.includes(settings().model)) set("model", models[0] ?? "");
    // An unchanged list is left alone: the user may have it open.
    const shown = [...picker.options].map((option) => option.value);
    if (shown.join("\n") !== models.join("\n")) picker.replaceChildren(...models.map((id) => element("option", { value: id }, id)));
    picker.value = settings().model;
    picker.disabled = models.length === 0;
    picker.title = settings().model;
    byId("welcome").querySelector(".failure")?.remove();
  } catch (error) {
    picker.replaceChildren(element("option", { value: settings().model }, settings().model || "no model"));
    showAtStart(explain(error, Boolean(apiKey())));
  }
}

function showAtStart({ title, remedy, settings: inSettings }) {
  byId("welcome").querySelector(".failure")?.remove();
  const act = inSettings ? button("Open Settings", () => openDialog("settings")) : button("Try again", loadModels);
  byId("welcome").append(element("div", { className: "failure", role: "alert" }, element("strong", {}, title), element("p", {}, remedy), act));
}

loadSettings((name) => name === "key" && loadModels());
byId("model").addEventListener("change", ({ target }) => {
  set("model", target.value);
  target.title = target.value;
});
byId("export").addEventListener("change", ({ target }) => {
  download(conversation, target.value);
  target.value = "";
});
byId("new-conversation").addEventListener("click", newConversation);
byId("open-settings").addEventListener("click", () => openDialog("settings"));
byId("open-shortcuts").addEventListener("click", () => openDialog("shortcuts"));
byId("delete-all").addEventListener("click", () => {
  byId("settings").close();
  sidebar.deleteAll();
});
for (const text of STARTERS) byId("starters").append(element("li", {}, button(text, () => composer.send(text))));
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => composer.revive());
}
addEventListener("storage", (event) => store.concerns(event) && refresh());
addEventListener("hashchange", () => {
  const id = location.hash.slice(1);
  const wanted = id && id !== conversation.id && store.all().find((candidate) => candidate.id === id);
  if (wanted) open(wanted);
});
bindKeys(
  [
    ["/", "Write a message", () => composer.focus()],
    ["n", "New conversation", newConversation],
    ["e", "Edit the last message", () => !current() && thread.editLast()],
    ["r", "Regenerate the last answer", regenerate],
    ["c", "Copy the last answer", () => thread.copyLast()],
    ["b", "Show or hide conversations", () => sidebar.toggle()],
    ["s", "Settings", () => openDialog("settings")],
    ["?", "Shortcuts", () => openDialog("shortcuts")],
  ],
  () => {
    if (current()) stop();
    else if (sidebar.covers) sidebar.toggle(false);
    else if (composer.focused) byId("scroller").focus();
  },
);
open(store.all().find(({ id }) => id === location.hash.slice(1)) ?? conversation);
loadModels();
composer.focus();
