/**
 * Markdown blocks to a tree of plain nodes (see inline.js): headings, paragraphs, fences, quotes, lists, tables, rules.
 *
 * Deliberately absent: raw HTML (shown as text), indented code, `---` underlined headings and reference links. They surprise more
 * often than they serve in what models write. Containers nest at most DEPTH levels, so that the work is linear in the text.
 */
import { parseInline } from "./inline.js";
import { highlight } from "./highlight.js";

const DEPTH = 12;
const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]|$)/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const MARKER = /^( *)([-*+]|(\d{1,9})([.)]))(?: +|$)/;

/** The blocks of `text`, each with `start`, its offset in it. With `open`, the text is still growing. */
export function parseBlocks(text, open = false) {
  const lines = text.split("\n");
  return parseLines(lines, 0, open);
}

function parseLines(lines, depth, open) {
  const blocks = [];
  let offset = 0;
  let counted = 0;
  for (let at = 0; at < lines.length; ) {
    if (isBlank(lines[at])) {
      at += 1;
      continue;
    }
    for (; counted < at; counted += 1) offset += lines[counted].length + 1;
    const [block, next] = blockAt(lines, at, depth, open);
    block.start = offset;
    blocks.push(block);
    at = next;
  }
  return blocks;
}

function blockAt(lines, at, depth, open) {
  const line = lines[at];
  if (FENCE.test(line)) return fence(lines, at);
  if (HEADING.test(line)) return [heading(line, open), at + 1];
  if (RULE.test(line)) return [{ tag: "hr", children: [] }, at + 1];
  if (depth < DEPTH && QUOTE.test(line)) return quote(lines, at, depth, open);
  if (depth < DEPTH && MARKER.test(line)) return list(lines, at, depth, open);
  if (isTable(lines, at)) return table(lines, at, open);
  return paragraph(lines, at, depth, open);
}

/** Whether the line at `at` ends a paragraph before it. A number other than 1 does not: it may be a year at the start of a line. */
function interrupts(lines, at, depth) {
  const line = lines[at];
  if (isBlank(line) || FENCE.test(line) || HEADING.test(line) || RULE.test(line)) return true;
  if (depth < DEPTH && QUOTE.test(line)) return true;
  const marker = depth < DEPTH && MARKER.exec(line);
  if (marker && marker[0].length < line.length && (!marker[3] || marker[3] === "1")) return true;
  return isTable(lines, at);
}

function paragraph(lines, at, depth, open) {
  let end = at + 1;
  while (end < lines.length && !interrupts(lines, end, depth)) end += 1;
  const text = lines.slice(at, end).map((line) => line.trim()).join("\n");
  return [{ tag: "p", children: parseInline(text, open && end === lines.length) }, end];
}

function heading(line, open) {
  const level = HEADING.exec(line)[1].length;
  let text = line.trim().slice(level).trim();
  let end = text.length;
  while (text[end - 1] === "#") end -= 1;
  if (end === 0 || text[end - 1] === " ") text = text.slice(0, end).trim();
  return { tag: `h${level}`, children: parseInline(text, open) };
}

function fence(lines, at) {
  const [, mark, info] = FENCE.exec(lines[at]);
  const indent = indentOf(lines[at]);
  const code = [];
  let end = at + 1;
  for (; end < lines.length && !closesFence(lines[end], mark); end += 1) {
    code.push(lines[end].slice(Math.min(indent, indentOf(lines[end]))));
  }
  const language = info.trim().split(/[\s{,]/, 1)[0].slice(0, 30);
  const copy = { tag: "button", attributes: { type: "button", class: "copy-code" }, children: ["Copy"] };
  const caption = { tag: "figcaption", children: [{ tag: "span", children: [language || "text"] }, copy] };
  const pre = { tag: "pre", attributes: { tabindex: "0" }, children: [{ tag: "code", children: highlight(code.join("\n"), language) }] };
  return [{ tag: "figure", attributes: { class: "code" }, children: [caption, pre] }, end + 1];
}

function closesFence(line, mark) {
  const text = line.trim();
  return text.length >= mark.length && indentOf(line) < 4 && text === mark[0].repeat(text.length);
}

function quote(lines, at, depth, open) {
  const inner = [];
  let end = at;
  for (; end < lines.length; end += 1) {
    if (QUOTE.test(lines[end])) inner.push(lines[end].replace(QUOTE, ""));
    else if (isBlank(inner.at(-1)) || interrupts(lines, end, depth)) break;
    else inner.push(lines[end]);
  }
  return [{ tag: "blockquote", children: parseLines(inner, depth + 1, open && end === lines.length) }, end];
}

function markerOf(line) {
  const found = MARKER.exec(line);
  if (!found || RULE.test(line)) return null;
  const [whole, spaces, mark, number, closer] = found;
  const gap = whole.length - spaces.length - mark.length;
  return { indent: spaces.length, content: spaces.length + mark.length + (gap > 4 ? 1 : Math.max(gap, 1)), kind: closer ?? mark, number };
}

function list(lines, at, depth, open) {
  const first = markerOf(lines[at]);
  const items = [];
  let loose = false;
  let end = at;
  for (;;) {
    const marker = end < lines.length && markerOf(lines[end]);
    if (!marker || marker.kind !== first.kind || marker.indent >= first.indent + 4) break;
    const [body, next] = itemLines(lines, end, marker, depth);
    const trailing = isBlank(body.at(-1)) && body.length > 1;
    while (body.length > 1 && isBlank(body.at(-1))) body.pop();
    const children = parseLines(body, depth + 1, open && next === lines.length);
    loose ||= children.filter((child) => child.tag === "p").length > 1;
    items.push({ children, trailing });
    end = next;
  }
  loose ||= items.slice(0, -1).some((item) => item.trailing);
  const start = first.number && Number(first.number) !== 1 ? { start: String(Number(first.number)) } : undefined;
  const children = items.map((item) => ({ tag: "li", children: itemChildren(item.children, loose) }));
  return [{ tag: first.number ? "ol" : "ul", attributes: start, children }, end];
}

/**
 * The lines of the item that begins at `at`, without their indentation. Two columns more than the marker are enough to belong to it, which is
 * less than CommonMark asks for below a number, and what models write.
 */
function itemLines(lines, at, marker, depth) {
  const body = [lines[at].slice(marker.content)];
  const needed = Math.min(marker.content, marker.indent + 2);
  let end = at + 1;
  for (; end < lines.length; end += 1) {
    const line = lines[end];
    const indent = indentOf(line);
    if (isBlank(line)) body.push("");
    else if (indent >= needed) body.push(line.slice(Math.min(indent, marker.content)));
    else if (isBlank(body.at(-1)) || MARKER.test(line) || interrupts(lines, end, depth)) break;
    else body.push(line);
  }
  return [body, end];
}

/** In a tight list paragraphs lose their margins, and a task's box becomes a sign. */
function itemChildren(blocks, loose) {
  const task = blocks[0]?.tag === "p" && blocks[0].children;
  if (task && typeof task[0] === "string") task[0] = task[0].replace(/^\[ \] /, "☐ ").replace(/^\[[xX]\] /, "☑ ");
  return blocks.flatMap((block) => (block.tag === "p" && !loose ? block.children : [block]));
}

function isTable(lines, at) {
  const next = lines[at + 1];
  if (!next || !lines[at].includes("|") || !/^[ |:-]+$/.test(next) || !next.includes("-")) return false;
  const rule = cells(next);
  return rule.every((cell) => /^:?-+:?$/.test(cell)) && rule.length === cells(lines[at]).length;
}

/** The cells of a row; a bar after a backslash or inside a code span is text. */
function cells(line) {
  const text = line.trim();
  let ticks = text.split("`").length - 1;
  let inCode = false;
  const row = [];
  let cell = "";
  for (const part of text.split(/(\\\||\||`)/)) {
    if (part === "`") {
      inCode = !inCode && ticks > 1;
      ticks -= 1;
    }
    if (part === "|" && !inCode) {
      row.push(cell.trim());
      cell = "";
    } else cell += part === "\\|" ? "|" : part;
  }
  row.push(cell.trim());
  if (text.startsWith("|")) row.shift();
  if (row.length > 1 && row.at(-1) === "" && text.endsWith("|")) row.pop();
  return row;
}

function table(lines, at, open) {
  const sides = cells(lines[at + 1]).map((cell) => (cell.endsWith(":") ? (cell.startsWith(":") ? "center" : "right") : "left"));
  const row = (line, tag) => {
    const make = (text, column) => ({ tag, attributes: { class: sides[column] }, children: parseInline(text, open) });
    return { tag: "tr", children: cells(line).slice(0, sides.length).map(make) };
  };
  const head = { tag: "thead", children: [row(lines[at], "th")] };
  const body = { tag: "tbody", children: [] };
  let end = at + 2;
  for (; end < lines.length && lines[end].includes("|"); end += 1) body.children.push(row(lines[end], "td"));
  const inner = { tag: "table", children: body.children.length ? [head, body] : [head] };
  return [{ tag: "div", attributes: { class: "table" }, children: [inner] }, end];
}

function isBlank(line) {
  return !line?.trim();
}

function indentOf(line) {
  let end = 0;
  while (line[end] === " ") end += 1;
  return end;
}
