/** Markdown in the page: builds nodes from the trees of blocks.js, and changes only what grew while an answer streams. */
import { parseBlocks } from "./blocks.js";

/** An element that shows growing Markdown text. */
export class Markdown {
  /** Shows inside `root`, which must be empty. */
  constructor(root) {
    this.root = root;
    this.starts = [];
  }

  /**
   * Shows `text`. With `open`, more will come: then only the last two blocks are parsed again, as text that grows at its end cannot
   * change those before. The last call for a text should not be open.
   */
  update(text, open = false) {
    const normal = text.replace(/\r\n?/g, "\n").replaceAll("\t", "    ");
    const kept = open ? Math.max(0, this.starts.length - 2) : 0;
    const from = kept ? this.starts[kept] : 0;
    const blocks = parseBlocks(normal.slice(from), open);
    this.starts.length = kept;
    for (const block of blocks) this.starts.push(from + block.start);
    patch(this.root, this.root.childNodes[kept] ?? null, blocks);
  }
}

/** Makes the children of `parent` from `node` on look like `wanted`, keeping nodes that fit so that selections and scrolling survive. */
function patch(parent, node, wanted) {
  for (const want of wanted) {
    const next = node?.nextSibling ?? null;
    if (!node) parent.append(create(want));
    else if (typeof want === "string" && node.nodeType === Node.TEXT_NODE) patchText(node, want);
    else if (typeof want !== "string" && node.localName === want.tag) patchElement(node, want);
    else parent.replaceChild(create(want), node);
    node = next;
  }
  while (node) {
    const next = node.nextSibling;
    node.remove();
    node = next;
  }
}

function patchText(node, want) {
  if (want === node.data) return;
  if (want.startsWith(node.data)) node.appendData(want.slice(node.data.length));
  else node.data = want;
}

function patchElement(node, want) {
  const attributes = want.attributes ?? {};
  for (const { name } of [...node.attributes]) if (!(name in attributes)) node.removeAttribute(name);
  for (const [name, value] of Object.entries(attributes)) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  patch(node, node.firstChild, want.children);
}

function create(want) {
  if (typeof want === "string") return document.createTextNode(want);
  const node = document.createElement(want.tag);
  for (const [name, value] of Object.entries(want.attributes ?? {})) node.setAttribute(name, value);
  for (const child of want.children) node.append(create(child));
  return node;
}
