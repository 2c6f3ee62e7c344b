/** The list of conversations, and the panel that holds it. */
import { all, remove, titleOf } from "./conversations.js";
import { ask } from "./ask.js";
import { button, byId, element } from "./dom.js";

const NARROW = matchMedia("(max-width: 800px)");

/** The list in the side panel. `actions`: `open(conversation)`, `removed(conversation)`. */
export class Sidebar {
  constructor(actions) {
    this.actions = actions;
    this.list = byId("conversations");
    byId("sidebar-open").addEventListener("click", () => this.toggle(true));
    byId("sidebar-close").addEventListener("click", () => this.toggle(false));
    byId("backdrop").addEventListener("click", () => this.toggle(false));
    NARROW.addEventListener("change", () => this.toggle(!NARROW.matches, false));
    this.toggle(!NARROW.matches, false);
  }

  /** Whether the panel lies over the conversation and is open. */
  get covers() {
    return NARROW.matches && document.body.classList.contains("sidebar");
  }

  /** Opens or closes the panel. On narrow screens it lies over the conversation, which is then out of reach. */
  toggle(open = !document.body.classList.contains("sidebar"), focus = true) {
    document.body.classList.toggle("sidebar", open);
    byId("sidebar").inert = !open;
    byId("main").inert = open && NARROW.matches;
    byId("backdrop").hidden = !(open && NARROW.matches);
    byId("sidebar-open").setAttribute("aria-expanded", String(open));
    if (focus) byId(open ? "sidebar-close" : "sidebar-open").focus();
  }

  /** Closes the panel where it covers the conversation. */
  uncover() {
    if (NARROW.matches) this.toggle(false, false);
  }

  /** Shows the stored conversations; `opened` is the one on the page, `writing` the one being answered. */
  show(opened, writing) {
    const focused = document.activeElement?.closest("#conversations li")?.dataset.id;
    this.list.replaceChildren(...all().map((conversation) => this.item(conversation, opened, writing)));
    if (focused) this.list.querySelector(`li[data-id="${CSS.escape(focused)}"] button`)?.focus();
  }

  item(conversation, opened, writing) {
    const title = titleOf(conversation);
    const open = button(title, () => this.actions.open(conversation), { className: "title", title });
    if (conversation.id === opened.id) open.setAttribute("aria-current", "true");
    const tools = element(
      "div",
      { className: "tools" },
      button("Rename", () => this.rename(conversation), { "aria-label": `Rename ${title}` }),
      button("Delete", () => this.delete(conversation), { "aria-label": `Delete ${title}` }),
    );
    const className = conversation.id === writing?.id ? "busy" : "";
    return element("li", { className, dataset: { id: conversation.id } }, open, tools);
  }

  async rename(conversation) {
    const title = await ask({ title: "Rename the conversation", label: "Title", value: titleOf(conversation), ok: "Rename" });
    if (title === null) return;
    this.actions.renamed(conversation.id, title.trim());
  }

  async delete(conversation) {
    const sure = await ask({ title: `Delete “${titleOf(conversation)}”?`, ok: "Delete" });
    if (sure === null) return;
    remove(conversation.id);
    this.actions.removed([conversation.id]);
  }

  /** Deletes every conversation, once confirmed. */
  async deleteAll() {
    const stored = all();
    if (!stored.length || (await ask({ title: `Delete all ${stored.length} conversations?`, ok: "Delete all" })) === null) return;
    for (const { id } of stored) remove(id);
    this.actions.removed(stored.map(({ id }) => id));
  }
}

