/** What the user has set, kept in this browser. The API key is kept only if asked for. */
import { byId } from "./dom.js";

const STORED = "ounce.settings";
const KEY = "ounce.key";
const NUMBERS = ["temperature", "top_p", "max_tokens", "seed", "presence_penalty", "frequency_penalty"];
const DEFAULTS = { theme: "auto", system: "", remember: false, single_keys: true, model: "" };

let values = { ...DEFAULTS };
let key = "";

/** The current settings: `theme`, `system`, `model`, `remember`, `single_keys` and the numbers that are set. */
export const settings = () => values;

/** The API key, or an empty string. */
export const apiKey = () => key;

/** The sampling fields of a request: those that the user filled in with a value the server can accept. */
export function sampling() {
  return Object.fromEntries(NUMBERS.filter((name) => Number.isFinite(values[name])).map((name) => [name, values[name]]));
}

/** Changes one setting and stores it. */
export function set(name, value) {
  values = { ...values, [name]: value };
  if (value === undefined) delete values[name];
  save();
}

/** Reads what is stored and ties the dialog to it; `changed(name)` is called after each change. */
export function loadSettings(changed) {
  try {
    values = { ...DEFAULTS, ...JSON.parse(localStorage.getItem(STORED)) };
    key = values.remember ? (localStorage.getItem(KEY) ?? "") : "";
  } catch {
    values = { ...DEFAULTS };
  }
  const form = byId("settings").querySelector("form");
  show(form);
  form.addEventListener("input", ({ target }) => {
    read(target);
    changed(target.name);
  });
  byId("reset-settings").addEventListener("click", () => {
    values = { ...DEFAULTS, model: values.model };
    key = "";
    save();
    show(form);
    changed("theme");
  });
}

function read(field) {
  const { name, value } = field;
  if (name === "key") {
    key = value.trim();
    save();
  } else if (NUMBERS.includes(name)) set(name, value === "" || !field.validity.valid ? undefined : Number(value));
  else set(name, field.type === "checkbox" ? field.checked : value);
}

function show(form) {
  for (const name of NUMBERS) form.elements[name].value = values[name] ?? "";
  form.elements.theme.value = values.theme;
  form.elements.system.value = values.system;
  form.elements.key.value = key;
  form.elements.remember.checked = values.remember;
  form.elements.single_keys.checked = values.single_keys;
}

function save() {
  document.documentElement.dataset.theme = values.theme;
  try {
    localStorage.setItem(STORED, JSON.stringify(values));
    if (values.remember && key) localStorage.setItem(KEY, key);
    else localStorage.removeItem(KEY);
  } catch {
    // Private windows may refuse storage: the settings then last as long as the page.
  }
}
