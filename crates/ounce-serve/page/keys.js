/** Shortcuts. Single keys count only outside text fields, and only while Settings allow them. */
import { byId, element } from "./dom.js";
import { settings } from "./settings.js";

const FIXED = [
  ["Enter", "Send"],
  ["Shift Enter", "New line"],
  ["↑", "Edit the last message, from an empty field"],
  ["Esc", "Stop the answer; leave the field"],
];

/** Ties `commands`, an array of `[key, description, action]`, to the keyboard and lists them in the dialog. `escape` handles Escape. */
export function bindKeys(commands, escape) {
  const byKey = new Map(commands.map(([key, , action]) => [key, action]));
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return escape(event);
    const inField = event.target.closest?.("input, textarea, select");
    if (event.ctrlKey || event.metaKey || event.altKey || inField || !settings().single_keys) return undefined;
    const action = byKey.get(event.key);
    if (!action) return undefined;
    event.preventDefault();
    return action();
  });
  const row = ([key, description]) => [element("dt", {}, ...keyCaps(key)), element("dd", {}, description)];
  byId("shortcut-list").replaceChildren(...[...FIXED, ...commands].flatMap(row));
}

function keyCaps(key) {
  return key.split(" ").flatMap((name) => [element("kbd", {}, name), " "]);
}
