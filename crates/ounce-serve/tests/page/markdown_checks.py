"""Checks of the Markdown renderer, run inside the page: its modules are imported as the page imports them."""

import mock
from markdown_cases import CASES, GROWING, INERT, SHAPED

IMPORTS = """
const { Markdown } = await import(new URL('page/markdown.js', document.baseURI));
const { parseBlocks } = await import(new URL('page/blocks.js', document.baseURI));
const render = (text, open) => { const root = document.createElement('div'); new Markdown(root).update(text, open); return root; };
"""

# Small and large sizes are 4 apart: linear work takes 4 times as long, quadratic work 16 times. Work too short to measure is no danger.
MEASURE = """
const time = (text) => { const start = performance.now(); parseBlocks(text, true); return performance.now() - start; };
const make = (n) => args[0] ? args[0].repeat(n / args[0].length) : args[1](n);
const ratio = (pattern) => {
  const [small, large] = [30_000, 120_000].map(pattern);
  let [least, most] = [Infinity, Infinity];
  for (let round = 0; round < 4; round += 1) { least = Math.min(least, time(small)); most = Math.min(most, time(large)); }
  return most < 25 ? 1 : most / least;
};
"""
LIMIT = 9


def check_outlines(browser):
    """Each piece of Markdown becomes the outline that is expected."""
    found = browser.wait_js(IMPORTS + "return args[0].map((text) => render(text).innerHTML)", [text for text, _ in CASES])
    wrong = [f"\n  {text!r}\n    wanted {wanted}\n    found  {html}" for (text, wanted), html in zip(CASES, found) if html != wanted]
    assert not wrong, "".join(wrong)


def check_growing_is_whole(browser):
    """Text that comes letter by letter ends as the same nodes as text that comes at once."""
    texts = [mock.MARKDOWN, mock.HOSTILE, *(text for text, _ in CASES), "\n\n".join(text for text, _ in CASES), "> a\n#b\n\nc", "- a\n#b\n- c\n\n1"]
    script = """
    return args[0].filter((text) => {
      const root = document.createElement('div');
      const view = new Markdown(root);
      for (let end = 1; end <= text.length; end += 1) view.update(text.slice(0, end), true);
      view.update(text);
      return root.innerHTML !== render(text).innerHTML;
    });"""
    assert browser.wait_js(IMPORTS + script, texts) == []


def check_no_flicker(browser):
    """While text grows, blocks that are complete stay the same nodes, and so does the text of the block that grows."""
    script = """
    const root = document.createElement('div');
    const view = new Markdown(root);
    view.update('# Title\\n\\nOne **two', true);
    const [title, paragraph] = root.children;
    const [text, strong] = paragraph.childNodes;
    view.update('# Title\\n\\nOne **two three** four\\n\\n```py\\nx', true);
    const code = root.querySelector('pre');
    view.update('# Title\\n\\nOne **two three** four\\n\\n```py\\nx = 1\\ny\\n```\\n\\nlast', true);
    return [root.children[0] === title, root.children[1] === paragraph, paragraph.firstChild === text, paragraph.children[0] === strong,
      strong.textContent === 'two three', root.querySelector('pre') === code];"""
    assert browser.wait_js(IMPORTS + script) == [True] * 6


def check_hostile_text_is_inert(browser):
    """No text makes an element, an attribute or an address that could run or load something."""
    script = """
    const bad = [];
    for (const text of args[0]) for (const open of [false, true]) {
      const root = render(text, open);
      document.body.append(root);
      for (const element of root.querySelectorAll('*')) {
        const known = ['P', 'A', 'BR', 'EM', 'STRONG', 'DEL', 'CODE', 'PRE', 'FIGURE', 'FIGCAPTION', 'SPAN', 'BUTTON', 'DIV', 'TABLE', 'THEAD', 'TBODY', 'TR', 'TH', 'TD'];
        const plain = [...element.attributes].every(({ name }) => ['href', 'title', 'target', 'rel', 'class', 'type', 'tabindex', 'start'].includes(name));
        const safe = element.localName !== 'a' || (['http:', 'https:', 'mailto:'].includes(element.protocol) && element.rel.includes('noopener'));
        if (!known.includes(element.tagName) || !plain || !safe) bad.push([text, element.outerHTML]);
      }
      root.remove();
    }
    return bad;"""
    assert browser.wait_js(IMPORTS + script, INERT) == []
    assert browser.js("return window.owned") is None


def check_linear_time(browser):
    """Four times the text takes about four times as long, whatever it repeats."""
    patterns = [(piece, None) for piece in GROWING] + [("", name) for name in SHAPED]
    slow = []
    for piece, name in patterns:
        body = IMPORTS + MEASURE.replace("args[1](n)", SHAPED.get(name, "''")) + "return ratio(make);"
        # The machine may be busy with something else: only what is slow each time is slow.
        if all(browser.wait_js(body, piece) > LIMIT for _ in range(3)):
            slow.append(piece or name)
    assert not slow, f"not linear: {slow}"


def check_depth_is_bounded(browser):
    """100 kB of any pattern gives a tree that is not deep, so that no recursion of the page or the browser overflows."""
    script = """
    const depth = (node) => { let deepest = 0; const stack = [[node, 0]];
      while (stack.length) { const [at, level] = stack.pop(); deepest = Math.max(deepest, level); for (const child of at.children) stack.push([child, level + 1]); }
      return deepest; };
    return args[0].filter((piece) => depth(render(piece.repeat(100_000 / piece.length), true)) > 80);"""
    assert browser.wait_js(IMPORTS + script, GROWING) == []


CHECKS = [check_outlines, check_growing_is_whole, check_no_flicker, check_hostile_text_is_inert, check_linear_time, check_depth_is_bounded]
