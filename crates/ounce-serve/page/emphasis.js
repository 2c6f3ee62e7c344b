/** Emphasis: pairs runs of `*`, `_` and `~~` by CommonMark's rules. */

/** How many openers may wait at a time; the oldest becomes plain text beyond that. */
export const STACK = 32;
const TAGS = { "*1": "em", "*2": "strong", _1: "em", _2: "strong", "~2": "del" };

/** Pairs the delimiters among `nodes`; with `open`, a last `**` that still waits counts as closed. Each frame is an opener that waits, with what came after it. */
export function emphasize(nodes, open) {
  const frames = [{ children: [] }];
  for (const node of nodes) {
    if (!node.delimiter) {
      push(frames.at(-1).children, node);
      continue;
    }
    let count = node.closes ? close(frames, node) : node.count;
    if (count && node.opens) {
      if (frames.length > STACK) release(frames, 0, 1);
      frames.push({ delimiter: node.delimiter, count, both: node.closes, children: [] });
    } else if (count) {
      push(frames.at(-1).children, node.delimiter.repeat(count));
    }
  }
  const last = frames.at(-1);
  if (open && last.delimiter === "*" && last.count === 2 && last.children.length) {
    frames.pop();
    push(frames.at(-1).children, { tag: "strong", children: last.children });
  }
  release(frames, 0, frames.length - 1);
  return frames[0].children;
}

/** Closes what `node` can close; returns how many of its characters are left. */
function close(frames, node) {
  let count = node.count;
  while (count) {
    const index = frames.findLastIndex((frame) => frame.delimiter === node.delimiter && pairs(frame, node));
    if (index < 0) break;
    release(frames, index, frames.length - 1 - index);
    const frame = frames[index];
    const used = Math.min(2, frame.count, count);
    const made = { tag: TAGS[node.delimiter + used], children: frame.children };
    count -= used;
    frame.count -= used;
    if (frame.count) frame.children = [made];
    else {
      frames.pop();
      push(frames.at(-1).children, made);
    }
  }
  return count;
}

/** CommonMark's rule of three, which keeps `**a*b**` whole. */
function pairs(frame, node) {
  const mixed = (frame.both || node.opens) && (frame.count + node.count) % 3 === 0;
  return !mixed || (frame.count % 3 === 0 && node.count % 3 === 0);
}

/** Gives up `count` waiting openers above frame `base`: they were plain text. */
function release(frames, base, count) {
  const into = frames[base].children;
  for (const frame of frames.splice(base + 1, count)) {
    push(into, frame.delimiter.repeat(frame.count));
    for (const child of frame.children) push(into, child);
  }
}

function push(children, node) {
  if (typeof node === "string" && typeof children.at(-1) === "string") children[children.length - 1] += node;
  else children.push(node);
}
