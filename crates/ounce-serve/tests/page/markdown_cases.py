"""Markdown and the outline that the page must make of it. References: CommonMark 0.31 and GFM, except where blocks.js says otherwise."""

LINK = '<a href="{0}" title="{0}" target="_blank" rel="noopener noreferrer">{1}</a>'
CODE = '<figure class="code"><figcaption><span>{}</span><button type="button" class="copy-code">Copy</button></figcaption><pre tabindex="0"><code>{}</code></pre></figure>'

CASES = [
    ("", ""),
    ("plain", "<p>plain</p>"),
    ("one\ntwo", "<p>one<br>two</p>"),
    ("one\n\ntwo", "<p>one</p><p>two</p>"),
    ("one\r\n\r\ntwo", "<p>one</p><p>two</p>"),
    ("# a\n###### f\n####### g", "<h1>a</h1><h6>f</h6><p>####### g</p>"),
    ("## a *b* ##", "<h2>a <em>b</em></h2>"),
    ("#hashtag", "<p>#hashtag</p>"),
    ("*a* **b** ***c*** _d_ __e__ ~~f~~", "<p><em>a</em> <strong>b</strong> <em><strong>c</strong></em> <em>d</em> <strong>e</strong> <del>f</del></p>"),
    ("**a*b*c**", "<p><strong>a<em>b</em>c</strong></p>"),
    ("*a **b***", "<p><em>a <strong>b</strong></em></p>"),
    ("snake_case_name 2 * 3 * 4 **", "<p>snake_case_name 2 * 3 * 4 **</p>"),
    ("*a", "<p>*a</p>"),
    ("**a*", "<p>*<em>a</em></p>"),
    (r"\*a\* \\ \q", r"<p>*a* \ \q</p>"),
    ("`a` ``b ` c`` `d", "<p><code>a</code> <code>b ` c</code> `d</p>"),
    ("`*a*` `<b>`", "<p><code>*a*</code> <code>&lt;b&gt;</code></p>"),
    ("a &amp; b &lt;i&gt; &#65; &#x42; &nope; &", "<p>a &amp; b &lt;i&gt; A B &amp;nope; &amp;</p>"),
    ("a<br>b<br/>c", "<p>a<br>b<br>c</p>"),
    ("[a](https://a.org/b)", f"<p>{LINK.format('https://a.org/b', 'a')}</p>"),
    ("[a *b*](http://a.org 'title')", f"<p>{LINK.format('http://a.org/', 'a <em>b</em>')}</p>"),
    ("[a](https://a.org/b_(c))", f"<p>{LINK.format('https://a.org/b_(c)', 'a')}</p>"),
    ("[m](mailto:a@b.org)", f"<p>{LINK.format('mailto:a@b.org', 'm')}</p>"),
    ("see https://a.org/x, or <https://b.org>.", f"<p>see {LINK.format('https://a.org/x', 'https://a.org/x')}, or {LINK.format('https://b.org/', 'https://b.org')}.</p>"),
    ("![p](https://a.org/p.png)", f"<p>{LINK.format('https://a.org/p.png', 'p')}</p>"),
    ("[a](relative) [b] [c]()", "<p>[a](relative) [b] [c]()</p>"),
    ("[[a](https://a.org/)](https://b.org/)", f"<p>[{LINK.format('https://a.org/', 'a')}]({LINK.format('https://b.org/', 'https://b.org/')})</p>"),
    ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
    ("- a\n\n- b", "<ul><li><p>a</p></li><li><p>b</p></li></ul>"),
    ("- a\n  - b\n    - c\n- d", "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>"),
    ("1. a\n   - b\n2. c", "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>"),
    ("1. a\n  - b\n2. c", "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>"),
    ("3) a\n4) b", '<ol start="3"><li>a</li><li>b</li></ol>'),
    ("- a\nlazy\n\nafter", "<ul><li>a<br>lazy</li></ul><p>after</p>"),
    ("- a\n* b", "<ul><li>a</li></ul><ul><li>b</li></ul>"),
    ("text\n- a", "<p>text</p><ul><li>a</li></ul>"),
    ("born in\n1984. Yes", "<p>born in<br>1984. Yes</p>"),
    ("- [ ] a\n- [x] b", "<ul><li>☐ a</li><li>☑ b</li></ul>"),
    ("- ```py\n  x\n  ```\n- b", f"<ul><li>{CODE.format('py', 'x')}</li><li>b</li></ul>"),
    ("> a\n> > b\n\nc", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote><p>c</p>"),
    ("> a\nlazy", "<blockquote><p>a<br>lazy</p></blockquote>"),
    ("a\n\n---\n\n***\n\n_ _ _", "<p>a</p><hr><hr><hr>"),
    ("```\n<b>*x*</b>\n```\nafter", CODE.format("text", "&lt;b&gt;*x*&lt;/b&gt;") + "<p>after</p>"),
    ("````md\n```\n````", CODE.format("md", "```")),
    ("~~~\na\n~~~", CODE.format("text", "a")),
    ("```python\nx = 1", CODE.format("python", 'x = <span class="n">1</span>')),
    ("a `|` b\n```", "<p>a <code>|</code> b</p>" + CODE.format("text", "")),
    (
        "| a | b |\n|:-:|--:|\n| 1 | `x|y` |\n| 2 \\| 3 |",
        '<div class="table"><table><thead><tr><th class="center">a</th><th class="right">b</th></tr></thead><tbody>'
        '<tr><td class="center">1</td><td class="right"><code>x|y</code></td></tr><tr><td class="center">2 | 3</td></tr></tbody></table></div>',
    ),
    ("a | b\nc | d", "<p>a | b<br>c | d</p>"),
]

INERT = [
    "<script>window.owned=1</script>",
    "<img src=x onerror=window.owned=1>",
    "<svg onload=window.owned=1><style>*{display:none}</style></svg>",
    "[a](javascript:window.owned=1)",
    "[a](JaVaScRiPt:window.owned=1)",
    "[a](java\tscript:window.owned=1)",
    "[a](&#106;avascript:window.owned=1)",
    "[a](data:text/html,<script>window.owned=1</script>)",
    "[a](vbscript:x) [b](file:///etc/passwd) [c](blob:x) [d](//evil.invalid)",
    "<javascript:window.owned=1> <a href='javascript:window.owned=1'>x</a>",
    "![x](javascript:window.owned=1) ![y](x\" onerror=\"window.owned=1)",
    '[a](https://a.org/"onmouseover="window.owned=1)',
    "```\"><script>window.owned=1</script>\nx",
    "| <b onclick=window.owned=1>a</b> |\n|---|\n| <iframe srcdoc='x'> |",
]

# Patterns that make naive parsers quadratic or overflow the stack. Each is repeated to the size that is measured.
GROWING = [
    "[", "]", "(", "![", "[](", "[a](b", "[a](", "*", "*a ", "**a ", "*a* ", "_a", "a**b", "a*", "~~", "~~a ", "`", "`a", "``a` ", "<", "<a ", "&", "&#1", "\\",
    "> ", ">", "- ", "1. ", "- a\n", " - a\n", "  ", "\n", "#", "# ", "|", "| a ", "|\n", "`|", "```\n", "~~~", "--- ", "* * ", "https://", "https://)", "http://a.b/ ",
    "<https://", "a\n> b\n", "\t", "- a\n\n", "[*a](", "\ufffd", "_*_*", '"', "a`b``",
]
# Whole shapes that one repeated piece does not make.
SHAPED = {
    "wide table": "('|a'.repeat(n / 8) + '\\n' + '|-'.repeat(n / 8) + '\\n' + '|\\n'.repeat(n / 4))",
    "openers, then closers": "('*a '.repeat(n / 8) + ' b*'.repeat(n / 8))",
    "brackets, then closers": "('['.repeat(n / 2) + ']'.repeat(n / 2))",
    "runs of all lengths": "(Array.from({ length: Math.sqrt(n) }, (_, i) => '`'.repeat(i + 1)).join('a'))",
    "deepening list": "(Array.from({ length: Math.sqrt(n) }, (_, i) => ' '.repeat(2 * i) + '- a').join('\\n'))",
    "code comment": "('```js\\n' + '/* '.repeat(n / 3))",
    "code quotes": "('```py\\n' + '\"\"\"a'.repeat(n / 4))",
    "spaces, then a letter": "('# a' + ' '.repeat(n) + 'b #')",
}
