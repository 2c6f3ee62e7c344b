"""Checks of how the page looks and can be used: themes, contrast, keyboard, phone width, scrolling."""

import time

from selenium.webdriver.common.keys import Keys

# The least contrast of any visible text against what lies behind it (WCAG 2), with the text that has it.
CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
const luminance = (rgb) => { const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = (element) => { for (let at = element; at; at = at.parentElement) { const c = rgba(getComputedStyle(at).backgroundColor); if (c[3] > 0.99) return c; } return rgba('Canvas'); };
let worst = [99, ''];
const top = document.querySelector('dialog[open]') ?? document.body;
const look = (element, text, color) => {
  if (!text.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || element.closest('.hidden, .skip, :disabled')) return;
  const [a, b] = [rgba(color), behind(element)].map((c) => luminance(c.slice(0, 3)));
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < worst[0]) worst = [ratio, `${element.tagName}.${element.className}: ${text.trim().slice(0, 40)}`];
};
const walker = document.createTreeWalker(top, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) { const element = walker.currentNode.parentElement; look(element, walker.currentNode.data, getComputedStyle(element).color); }
for (const field of top.querySelectorAll('[placeholder]')) look(field, field.placeholder, getComputedStyle(field, '::placeholder').color);
return worst;
"""
WIDTHS = "return [document.documentElement.scrollWidth, document.body.scrollWidth, document.getElementById('scroller').scrollWidth, (document.querySelector('dialog[open]') ?? document.body).scrollWidth]"
# The element that has the focus: its name, whether that can be seen, and its place in the document (0 for none).
FOCUSED = """
const at = document.activeElement;
const style = getComputedStyle(at.closest('#composer') ?? at);
const shown = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== 'none';
return [at.id || at.textContent.trim(), shown, at === document.body ? 0 : [...document.querySelectorAll('*')].indexOf(at)];
"""
PAPER = "return getComputedStyle(document.documentElement).backgroundColor"


def theme(browser, name):
    browser.js("document.getElementById('open-settings').click(); document.querySelector(`#settings [value=${arguments[0]}]`).click(); document.getElementById('settings').close();", name)


def check_themes(browser):
    """Light and dark can be chosen, and stay; auto follows the system."""
    browser.open()
    browser.media(prefers_color_scheme="light")
    light = browser.js(PAPER)
    browser.media(prefers_color_scheme="dark")
    dark = browser.js(PAPER)
    assert light != dark
    theme(browser, "light")
    assert browser.js(PAPER) == light
    browser.open(fresh=False)
    assert browser.js(PAPER) == light
    theme(browser, "dark")
    browser.media(prefers_color_scheme="light")
    assert browser.js(PAPER) == dark
    browser.media()


def check_contrast(browser):
    """All text has the contrast of WCAG AA, in both themes."""
    for name in ("light", "dark"):
        browser.open()
        theme(browser, name)
        states = [lambda: None, lambda: (browser.ask("Show.", "markdown"), browser.done()), lambda: (browser.ask("Fail.", "error-400"), browser.done())]
        states += [lambda: browser.js("document.getElementById('open-settings').click()")]
        for number, state in enumerate(states):
            state()
            ratio, text = browser.js(CONTRAST)
            assert ratio >= 4.5, (name, number, ratio, text)


def check_keyboard(browser):
    """Everything is in reach of the keyboard, the focus is always seen, and the shortcuts do what the dialog says."""
    browser.open()
    assert browser.js("return document.activeElement.id") == "composer-text"
    browser.press("Line one", Keys.SHIFT, Keys.ENTER, Keys.NULL, "line two")
    assert browser.js("return document.activeElement.value") == "Line one\nline two"
    browser.press(Keys.ENTER)
    browser.done()
    assert browser.texts(".bubble") == ["Line one\nline two"] and browser.js("return document.activeElement.value") == ""
    browser.press(Keys.ARROW_UP)
    assert browser.js("return document.activeElement.ariaLabel") == "Edit the message"
    browser.press(Keys.ESCAPE)
    browser.js("document.querySelector('.skip').focus()")
    reached = []
    for _ in range(40):
        browser.press(Keys.TAB)
        name, shown, order = browser.js(FOCUSED)
        if not order or (name, order) in reached:
            break
        assert shown, f"no focus to be seen on {name}"
        reached.append((name, order))
    wanted = ["sidebar-close", "new-conversation", "Line one line two", "Rename", "Delete", "open-settings", "open-shortcuts"]
    wanted += ["model", "export", "scroller", "Edit", "Copy", "Copy", "Regenerate", "composer-text"]
    assert [name for name, _ in reached][: len(wanted)] == wanted, reached
    check_shortcuts(browser)


def check_shortcuts(browser):
    browser.js("document.getElementById('composer-text').focus()")
    browser.press("?")
    assert not browser.all("#shortcuts[open]") and browser.js("return document.activeElement.value") == "?"
    browser.press(Keys.BACKSPACE, Keys.ESCAPE)
    assert browser.js("return document.activeElement.id") == "scroller"
    browser.press("?")
    assert browser.all("#shortcuts[open]") and "New conversation" in browser.texts("#shortcut-list dd")
    browser.press(Keys.ESCAPE)
    assert not browser.all("dialog[open]")
    browser.press("r")
    browser.until(browser.busy)
    browser.done()
    browser.press("s")
    assert browser.all("#settings[open]")
    browser.find("#settings [name=single_keys]").click()
    browser.press(Keys.ESCAPE)
    browser.find("#scroller").click()
    browser.press("n")
    assert browser.texts(".bubble"), "single keys are off"
    browser.js("document.getElementById('open-settings').click(); document.querySelector('#settings [name=single_keys]').click(); document.getElementById('settings').close()")
    browser.find("#scroller").click()
    browser.press("n")
    assert not browser.texts(".bubble") and browser.js("return document.activeElement.id") == "composer-text"


def check_focus_returns(browser):
    """After a dialog is closed with the mouse, one can type where one was."""
    browser.open()
    browser.js("document.getElementById('composer-text').focus(); document.getElementById('open-settings').click()")
    browser.close_settings()
    browser.press("word")
    browser.until(lambda: browser.js("return document.getElementById('composer-text').value") == "word")


def check_phone(browser, model="markdown"):
    """At 360 pixels nothing needs sideways scrolling, and the panel covers the page when asked for."""
    browser.open()
    browser.phone()
    try:
        narrow = lambda: (widths := browser.js(WIDTHS)) and all(width <= 360 for width in widths)
        assert narrow(), browser.js(WIDTHS)
        browser.ask("Show a table. " + "long" * 60, model)
        browser.done()
        assert narrow(), browser.js(WIDTHS)
        assert not browser.find("#new-conversation").is_displayed()
        browser.find("#sidebar-open").click()
        browser.until(lambda: browser.find("#new-conversation").is_displayed() and browser.js("return document.getElementById('main').inert"))
        browser.press(Keys.ESCAPE)
        browser.until(lambda: not browser.js("return document.getElementById('main').inert"))
        browser.js("document.getElementById('open-settings').click()")
        assert narrow(), browser.js(WIDTHS)
        browser.close_settings()
    finally:
        browser.phone(False)


def check_scrolling(browser):
    """The end of a growing answer stays in view until the reader scrolls away, and again once asked."""
    browser.open()
    browser.ask("Talk.", "long")
    gap = "const s = document.getElementById('scroller'); return s.scrollHeight - s.clientHeight - s.scrollTop"
    browser.until(lambda: browser.js("return document.getElementById('scroller').scrollTop > 100"), 60)
    assert browser.js(gap) < 60
    browser.js("document.getElementById('scroller').scrollBy(0, -20)")
    browser.until(lambda: browser.js("return !document.getElementById('to-latest').hidden"))
    top, height = browser.js("const s = document.getElementById('scroller'); return [s.scrollTop, s.scrollHeight]")
    browser.until(lambda: browser.js("return document.getElementById('scroller').scrollHeight") > height + 60)
    assert browser.js("return document.getElementById('scroller').scrollTop") == top
    browser.find("#to-latest").click()
    browser.until(lambda: browser.js(gap) < 60 and browser.js("return document.getElementById('to-latest').hidden"))
    browser.press(Keys.ESCAPE)
    browser.done()


def check_reduced_motion(browser):
    """Nothing moves for those who asked that nothing move."""
    browser.open()
    browser.media(prefers_reduced_motion="reduce")
    browser.ask("Talk.", "long")
    time.sleep(0.1)
    assert browser.js("return document.getAnimations().length") == 0
    assert browser.js("return getComputedStyle(document.getElementById('sidebar')).transitionDuration") == "0s"
    browser.press(Keys.ESCAPE)
    browser.done()
    browser.media()


CHECKS = [check_themes, check_contrast, check_keyboard, check_focus_returns, check_phone, check_scrolling, check_reduced_motion]
