/** A dialog that asks for a word or a confirmation. */
import { byId } from "./dom.js";

/** Asks; resolves to the text (empty without `label`), or to null when the user cancels. */
export function ask({ title, label = "", value = "", ok }) {
  const dialog = byId("ask");
  const text = byId("ask-text");
  byId("ask-title").textContent = title;
  byId("ask-label").textContent = label;
  byId("ask-ok").textContent = ok;
  text.parentElement.hidden = !label;
  text.value = value;
  dialog.returnValue = "";
  byId("ask-cancel").onclick = () => dialog.close();
  dialog.showModal();
  if (label) text.select();
  else byId("ask-ok").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok" ? text.value : null), { once: true });
  });
}
