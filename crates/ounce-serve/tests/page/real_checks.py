"""Checks against a real model: nothing here depends on what it says."""

import urllib.request

from selenium.webdriver.common.keys import Keys

import look_checks
import markdown_checks


def brief(browser, tokens):
    """Limits the answers of the checks that follow."""
    browser.set("max_tokens", str(tokens))
    browser.close_settings()


def check_headers(browser):
    """The page comes with a policy that allows only what is the server's own."""
    with urllib.request.urlopen(browser.base, timeout=30) as answer:
        policy = answer.headers.get("Content-Security-Policy", "")
        assert "'unsafe" not in policy and ("default-src 'self'" in policy or "default-src 'none'" in policy), policy
        assert answer.headers.get_content_type() == "text/html"


def check_stream(browser):
    """An answer comes, ends, and is measured by the server's count."""
    browser.open()
    assert browser.texts("#model option")[0]
    brief(browser, 24)
    browser.ask("Count from one to twenty.")
    browser.until(lambda: browser.answer())
    browser.done()
    assert not browser.texts(".failure"), browser.texts(".failure")
    kinds = [text.split()[0 if text.startswith(("first", "prompt")) else -1] for text in browser.texts(".stats span")]
    assert kinds[:4] == ["tokens/s", "tokens", "first", "prompt"], kinds
    assert 1 < int(browser.texts(".stats span")[1].split()[0]) <= 24


def check_follow_up(browser):
    """A second question in the same conversation is answered, and the first answer can be had again."""
    browser.open()
    brief(browser, 16)
    for text in ("Name a colour.", "Name another one."):
        browser.ask(text)
        browser.until(browser.busy)
        browser.done()
    assert len(browser.texts(".assistant .prose")) == 2 and not browser.texts(".failure")
    browser.find(".assistant.last .tools button:last-child").click()
    browser.until(browser.busy)
    browser.done()
    assert browser.answer() and not browser.texts(".failure")


def check_stop(browser):
    """Escape breaks an answer off, and the server is free again at once."""
    browser.open()
    browser.ask("Write a very long story about a snow leopard.")
    browser.until(lambda: len(browser.answer()) > 20)
    browser.press(Keys.ESCAPE)
    browser.done()
    assert browser.texts(".assistant .note") == ["Stopped."]
    brief(browser, 4)
    browser.ask("Hello.")
    browser.until(browser.busy)
    browser.done()
    assert browser.answer() and not browser.texts(".failure")


def check_refused(browser):
    """What the server does not accept is told in the conversation, and the message stays."""
    browser.open()
    browser.ask("word " * 3)
    browser.until(browser.busy)
    browser.press(Keys.ESCAPE)
    browser.done()
    browser.js(
        "const id = location.hash.slice(1), name = `ounce.conversation.${id}`, held = JSON.parse(localStorage[name]);"
        "held.messages = [{ role: 'user', content: 'word '.repeat(400_000) }, { role: 'assistant', content: '' }]; localStorage[name] = JSON.stringify(held);"
    )
    browser.open(fresh=False)
    browser.find(".assistant.last .tools button:last-child").click()
    told = browser.until(lambda: browser.texts(".failure"))[0]
    assert "Too long" in told or "too large" in told or "broke off" in told or "reached" in told, told
    assert len(browser.texts(".bubble")[0]) > 1_000_000


def check_phone(browser):
    """At 360 pixels nothing needs sideways scrolling."""
    browser.open()
    brief(browser, 24)
    look_checks.check_phone(browser, None)


CHECKS = [
    check_headers, check_stream, check_follow_up, check_stop, check_refused, check_phone,
    look_checks.check_themes, markdown_checks.check_outlines, markdown_checks.check_hostile_text_is_inert,
]


def pictures(browser, folder):
    """The page with an answer of this model."""
    browser.driver.set_window_size(1180, 960)
    browser.open()
    brief(browser, 230)
    browser.ask("Write a Python function that tells whether a word is a palindrome, and explain it in a short list.")
    browser.until(browser.busy)
    browser.done()
    browser.js("document.activeElement.blur()")
    for theme in ("light", "dark"):
        look_checks.theme(browser, theme)
        browser.screenshot(folder, f"real-{theme}")
