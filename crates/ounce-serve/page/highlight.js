/** A little colour for code: comments, strings, numbers and the words that languages share. Not a parser, and linear. */

const LONGEST = 20_000;
const WORDS = new Set(
  ("as async await bool break case catch char class const continue def default del do double elif else enum except export extends extern " +
    "false finally float fn for from func function global if impl implements import in int interface is lambda let long loop match mod mut " +
    "namespace new nil None null not or and package pass private protected pub public raise return select self short static struct super " +
    "switch template this throw trait true True False try type typeof use using var void where while with yield " +
    "then fi done esac echo local SELECT FROM WHERE INSERT UPDATE DELETE JOIN ORDER BY GROUP").split(" "),
);
const PLAIN = new Set(["", "text", "txt", "plain", "plaintext", "markdown", "md", "console", "output", "csv"]);
const HASH = new Set(["python", "py", "bash", "sh", "shell", "zsh", "ruby", "rb", "yaml", "yml", "toml", "r", "perl", "makefile", "dockerfile"]);
const STRINGS = /"""[\s\S]*?(?:"""|$)|"(?:[^"\\\n]|\\[\s\S])*"?|'(?:[^'\\\n]|\\[\s\S])*'?|`(?:[^`\\]|\\[\s\S])*`?/;
const REST = /\b\d[\w.]*|[A-Za-z_]\w*/;
const SLASH_COMMENTS = /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/;
const HASH_COMMENTS = /#[^\n]*/;
const DASH_COMMENTS = /--[^\n]*/;

/** The nodes of `code`: plain strings, and spans of the classes `c` (comment), `s` (string), `n` (number) and `k` (keyword). */
export function highlight(code, language) {
  const name = language.toLowerCase();
  if (!code || code.length > LONGEST || PLAIN.has(name)) return [code];
  const comments = HASH.has(name) ? HASH_COMMENTS : name === "sql" || name === "lua" ? DASH_COMMENTS : SLASH_COMMENTS;
  const token = new RegExp(`(${comments.source})|(${STRINGS.source})|(${REST.source})`, "g");
  const nodes = [];
  let plain = 0;
  for (const found of code.matchAll(token)) {
    const [text, comment, string] = found;
    const kind = comment ? "c" : string ? "s" : /^\d/.test(text) ? "n" : WORDS.has(text) ? "k" : "";
    if (!kind) continue;
    if (found.index > plain) nodes.push(code.slice(plain, found.index));
    nodes.push({ tag: "span", attributes: { class: kind }, children: [text] });
    plain = found.index + text.length;
  }
  if (plain < code.length) nodes.push(code.slice(plain));
  return nodes;
}
