/** The field that messages are written in. What is not sent yet survives a reload. */
import { byId, fit } from "./dom.js";

const DRAFT = "ounce.draft";

/** `actions`: `send(text)` (true when taken), `stop()`, `editLast()`. */
export class Composer {
  constructor(actions) {
    this.actions = actions;
    this.area = byId("composer-text");
    this.form = byId("composer");
    this.button = byId("send");
    this.area.value = storedDraft();
    this.area.addEventListener("input", () => this.changed());
    this.area.addEventListener("keydown", (event) => this.pressed(event));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.form.classList.contains("busy")) actions.stop();
      else this.send(this.area.value);
    });
    this.changed();
  }

  /** While an answer is being written, the button stops it. */
  set busy(busy) {
    this.form.classList.toggle("busy", busy);
    this.button.setAttribute("aria-label", busy ? "Stop" : "Send");
    this.button.title = busy ? "Stop (Esc)" : "Send (Enter)";
    this.changed();
  }

  get focused() {
    return document.activeElement === this.area;
  }

  focus() {
    this.area.focus();
  }

  /** Gives the field its caret back: a dialog that was closed with the mouse returns the focus without one in some browsers. */
  revive() {
    if (!this.focused) return;
    this.area.blur();
    this.area.focus();
  }

  /** Sends `text`; the field is emptied only once it is taken. */
  send(text) {
    if (!text.trim() || !this.actions.send(text.trim())) return;
    this.area.value = "";
    this.changed();
    this.focus();
  }

  changed() {
    fit(this.area);
    this.button.disabled = !this.form.classList.contains("busy") && !this.area.value.trim();
    storeDraft(this.area.value);
  }

  pressed(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (!this.form.classList.contains("busy")) this.send(this.area.value);
    } else if (event.key === "ArrowUp" && !this.area.value) {
      event.preventDefault();
      this.actions.editLast();
    }
  }
}

function storedDraft() {
  try {
    return sessionStorage.getItem(DRAFT) ?? "";
  } catch {
    return "";
  }
}

function storeDraft(text) {
  try {
    sessionStorage.setItem(DRAFT, text);
  } catch {
    // Without storage a draft lasts as long as the page.
  }
}
