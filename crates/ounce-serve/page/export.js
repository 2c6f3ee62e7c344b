/** Downloads of a conversation. */
import { titleOf, toJson, toMarkdown } from "./conversations.js";
import { element } from "./dom.js";

const FORMATS = {
  markdown: { write: toMarkdown, type: "text/markdown", extension: "md" },
  json: { write: toJson, type: "application/json", extension: "json" },
};

/** Saves `conversation` as a file of `format`: `markdown` or `json`. */
export function download(conversation, format) {
  const { write, type, extension } = FORMATS[format];
  const address = URL.createObjectURL(new Blob([write(conversation)], { type }));
  const name = titleOf(conversation).replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").toLowerCase();
  element("a", { href: address, download: `${name || "conversation"}.${extension}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
