/** Small helpers over the DOM. Text always becomes a text node; nothing here parses markup. */

/** The element of the document whose id is `id`. */
export const byId = (id) => document.getElementById(id);

/** A new element: `properties` are set as DOM properties, `dataset` and `aria-*` as what they are; children are nodes or text. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "dataset") Object.assign(made.dataset, value);
    else if (name.includes("-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** A button that runs `action`. */
export function button(label, action, properties = {}) {
  return element("button", { type: "button", onclick: action, ...properties }, label);
}

/** Makes a text area as high as its text. */
export function fit(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + area.offsetHeight - area.clientHeight}px`;
}

/** Copies `text`, and says so on `source` for a moment. Works without the clipboard API too, which plain http on a LAN lacks. */
export async function copy(text, source) {
  const label = source.dataset.label ?? source.textContent;
  source.dataset.label = label;
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    done = copyBySelection(text);
  }
  source.textContent = done ? "Copied" : "Cannot copy";
  setTimeout(() => (source.textContent = label), 1400);
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const area = element("textarea", { value: text, className: "hidden", readOnly: true });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}
