/**
 * Inline Markdown to a tree of plain nodes: a node is a string or `{ tag, attributes?, children }`.
 *
 * Linear in the text: every opener waits on a stack of at most STACK, so a closer looks at no more, and nesting cannot go deeper.
 */
import { emphasize, STACK } from "./emphasis.js";

const LONGEST_URL = 2000;
const SPECIAL = /[\\`*_~[\]<&\n]|!\[|https?:\/\//g;
const PUNCTUATION = /[\p{P}\p{S}]/u;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const BARE_URL = /https?:\/\/[^\s<>"`]{1,2000}/y;
const ANGLE_URL = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/iy;
const BREAK_TAG = /<br ?\/?>/iy;
const ENTITY = /&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,6}));/iy;
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", mdash: "—", ndash: "–", hellip: "…" };
const SCHEMES = new Set(["http:", "https:", "mailto:"]);

/** The nodes of `text`. With `open`, the text is still growing: a `**` or a code span that is not closed yet shows as if it were. */
export function parseInline(text, open = false) {
  const scan = { text, open, nodes: [], brackets: [], at: 0, lastRun: null };
  while (scan.at < text.length) {
    SPECIAL.lastIndex = scan.at;
    const found = SPECIAL.exec(text);
    const next = found ? found.index : text.length;
    if (next > scan.at) scan.nodes.push(text.slice(scan.at, next));
    scan.at = next;
    if (found) step(scan, found[0]);
  }
  return emphasize(scan.nodes, open);
}

/** The address in canonical form when a click on it is harmless (http, https, mailto); otherwise null. */
export function safeUrl(address) {
  try {
    const url = new URL(address);
    return SCHEMES.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function step(scan, found) {
  const { text, nodes, at } = scan;
  const take = (length, node) => {
    nodes.push(node);
    scan.at += length;
  };
  switch (found[0]) {
    case "\\":
      if (text[at + 1] === "\n") return take(2, { tag: "br", children: [] });
      if (ESCAPABLE.test(text[at + 1] ?? "")) return take(2, text[at + 1]);
      return take(1, "\\");
    case "\n":
      return take(1, { tag: "br", children: [] });
    case "`":
      return codeSpan(scan);
    case "*":
    case "_":
    case "~":
      return delimiterRun(scan);
    case "!":
    case "[":
      scan.brackets.push({ index: nodes.length, image: found === "![" });
      if (scan.brackets.length > STACK) scan.brackets.shift();
      return take(found.length, found);
    case "]":
      return closeBracket(scan);
    case "&":
      return entity(scan, take);
    case "<":
      return angle(scan, take);
    default:
      return bareUrl(scan, take);
  }
}

function codeSpan(scan) {
  const { text, at } = scan;
  const length = runLength(text, at, "`");
  scan.lastRun ??= lastRuns(text);
  const fence = "`".repeat(length);
  let close = -1;
  if ((scan.lastRun.get(length) ?? -1) > at) {
    for (close = text.indexOf(fence, at + length); ; ) {
      const run = runLength(text, close, "`");
      if (run === length) break;
      close = text.indexOf(fence, close + run);
    }
  } else if (scan.open && at + length < text.length && !text.includes("`", at + length)) {
    close = text.length;
  }
  if (close < 0) {
    scan.nodes.push(fence);
    scan.at += length;
    return;
  }
  let code = text.slice(at + length, close).replaceAll("\n", " ");
  if (code.startsWith(" ") && code.endsWith(" ") && code.trim()) code = code.slice(1, -1);
  scan.nodes.push({ tag: "code", children: [code] });
  scan.at = close + length;
}

/** Where the last run of backticks of each length begins: an opener beyond it has no closer. */
function lastRuns(text) {
  const last = new Map();
  for (const run of text.matchAll(/`+/g)) last.set(run[0].length, run.index);
  return last;
}

function runLength(text, at, character) {
  let end = at;
  while (text[end] === character) end += 1;
  return end - at;
}

function delimiterRun(scan) {
  const { text, at } = scan;
  const character = text[at];
  const count = runLength(text, at, character);
  const before = text[at - 1] ?? " ";
  const after = text[at + count] ?? " ";
  const spaceBefore = !before.trim();
  const spaceAfter = !after.trim();
  const markBefore = PUNCTUATION.test(before);
  const markAfter = PUNCTUATION.test(after);
  let opens = !spaceAfter && (!markAfter || spaceBefore || markBefore);
  let closes = !spaceBefore && (!markBefore || spaceAfter || markAfter);
  if (character === "_") [opens, closes] = [opens && (!closes || markBefore), closes && (!opens || markAfter)];
  if (character === "~" && count !== 2) opens = closes = false;
  scan.nodes.push({ delimiter: character, count, opens, closes });
  scan.at += count;
}

function closeBracket(scan) {
  const { text, nodes, at } = scan;
  const opener = scan.brackets.pop();
  const target = opener && text[at + 1] === "(" ? destination(text, at + 2) : null;
  const href = target && safeUrl(target.address);
  if (!href) {
    nodes.push("]");
    scan.at += 1;
    return;
  }
  const children = emphasize(nodes.splice(opener.index).slice(1), false);
  // A picture is shown as a link to it: the page loads nothing from elsewhere.
  nodes.push(link(href, children.length ? children : [href]));
  if (!opener.image) scan.brackets.length = 0;
  scan.at = target.end;
}

/** The address that begins at `at`, and where its closing parenthesis ends; a title after it is dropped. */
function destination(text, at) {
  let depth = 0;
  let end = at;
  const limit = Math.min(text.length, at + LONGEST_URL);
  for (; end < limit; end += 1) {
    const character = text[end];
    if (character === "(") depth += 1;
    else if (character === ")" && depth-- === 0) return { address: text.slice(at, end), end: end + 1 };
    else if (character === " " || character === "\n") break;
  }
  const rest = text.slice(end, end + 300);
  const title = /^[ \n]+(?:"[^"]*"|'[^']*')\)/.exec(rest);
  return title && { address: text.slice(at, end), end: end + title[0].length };
}

function entity(scan, take) {
  ENTITY.lastIndex = scan.at;
  const found = ENTITY.exec(scan.text);
  if (!found) return take(1, "&");
  const [whole, decimal, hexadecimal, name] = found;
  const code = decimal ? Number(decimal) : parseInt(hexadecimal, 16);
  const valid = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
  return take(whole.length, name ? (ENTITIES[name] ?? whole) : valid ? String.fromCodePoint(code) : "\ufffd");
}

function angle(scan, take) {
  BREAK_TAG.lastIndex = ANGLE_URL.lastIndex = scan.at;
  const tag = BREAK_TAG.exec(scan.text);
  if (tag) return take(tag[0].length, { tag: "br", children: [] });
  const url = ANGLE_URL.exec(scan.text);
  const href = url && safeUrl(url[1]);
  return href ? take(url[0].length, link(href, [url[1]])) : take(1, "<");
}

function bareUrl(scan, take) {
  BARE_URL.lastIndex = scan.at;
  let address = BARE_URL.exec(scan.text)?.[0] ?? "";
  while (address && (/[.,;:!?'*_~\]]/.test(address.at(-1)) || (address.endsWith(")") && !address.includes("(")))) address = address.slice(0, -1);
  const href = safeUrl(address);
  // Inside the brackets of a link, an address is its text.
  return href && !scan.brackets.length ? take(address.length, link(href, [address])) : take(4, "http");
}

function link(href, children) {
  return { tag: "a", attributes: { href, title: href, target: "_blank", rel: "noopener noreferrer" }, children };
}
