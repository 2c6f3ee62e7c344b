"""Checks of the chat against the mock server, whose models answer as their names say."""

import json
import tempfile
import time
import urllib.request
from pathlib import Path

from selenium.webdriver.common.keys import Keys

import mock

ERRORS = {
    "error-400": ("did not accept", "temperature"),
    "error-context": ("Too long", "new conversation"),
    "error-404": ("does not have this model", "Choose another"),
    "error-413": ("too large", "Shorten"),
    "error-429": ("busy", "3 seconds"),
    "error-500": ("failed", "log"),
    "error-midstream": ("failed", "Try again"),
    "cut-off": ("broke off", "Try again"),
}


def last(browser):
    return json.load(urllib.request.urlopen(f"{browser.base}test/last", timeout=10))


def messages(browser):
    """The messages of the newest stored conversation."""
    stored = [json.loads(text) for name, text in browser.stored().items() if name.startswith("ounce.conversation.")]
    return max(stored, key=lambda conversation: conversation["updated"])["messages"] if stored else []


def check_stream(browser):
    """An answer comes in pieces, ends, and is measured."""
    browser.open()
    browser.ask("Count.", "plain")
    browser.until(lambda: 0 < len(browser.answer()) < 30 and browser.js("return document.querySelector('.assistant').ariaBusy") == "true")
    assert browser.texts("#status") == ["Answering"]
    browser.done()
    assert browser.answer() == "One two three four five six seven eight nine ten."
    stats = browser.texts(".stats span")
    assert [text.split()[-1] for text in stats] == ["tokens/s", "tokens", "s", "reused"] and stats[1] == "13 tokens", stats
    assert float(stats[2].split()[2]) >= 0.1, stats
    assert browser.js("return document.querySelector('.assistant').ariaBusy") == "false" and browser.texts("#status") == ["The answer is complete"]
    body = last(browser)["body"]
    assert body["stream"] is True and body["stream_options"] == {"include_usage": True} and body["model"] == "plain"
    assert body["messages"] == [{"role": "user", "content": "Count."}] and body["authorization"] is None
    assert set(body) == {"model", "messages", "stream", "stream_options", "authorization"}, "an empty setting is not sent"


def check_uncounted(browser):
    """Without the server's count no speed is claimed."""
    browser.open()
    browser.ask("Hello.", "uncounted")
    browser.done()
    assert [text.split()[-1] for text in browser.texts(".stats span")] == ["pieces", "s"], browser.texts(".stats span")


def check_truncated(browser):
    """An answer that hit the limit of tokens says so."""
    browser.open()
    browser.ask("Hello.", "truncated")
    browser.done()
    assert "limit of tokens" in browser.texts(".assistant .note")[0]


def check_stop(browser):
    """The button and Escape break the answer off; what came stays, and the server learns of it."""
    for stop in (lambda: browser.find("#send").click(), lambda: browser.press(Keys.ESCAPE)):
        browser.open()
        browser.ask("Talk.", "long")
        browser.until(lambda: len(browser.answer()) > 40)
        assert browser.find("#send").get_attribute("aria-label") == "Stop"
        stop()
        browser.done()
        length = len(browser.answer())
        assert browser.texts(".assistant .note") == ["Stopped."]
        browser.until(lambda: last(browser)["aborted"])
        assert len(browser.answer()) == length > 40 and messages(browser)[-1]["finish"] == "stopped"


def check_regenerate_and_edit(browser):
    """The last answer can be had again, and the last question changed; earlier ones cannot."""
    browser.open()
    for text in ("First.", "Second."):
        browser.ask(text, "plain")
        browser.done()
    visible = [button.text for button in browser.all(".message .tools button") if button.is_displayed()]
    assert visible.count("Regenerate") == 1 and visible.count("Edit") == 1
    browser.find(".assistant.last .tools button:last-child").click()
    browser.until(browser.busy)
    browser.done()
    assert [m["role"] for m in messages(browser)] == ["user", "assistant"] * 2
    browser.find(".user.last .tools button").click()
    browser.press(Keys.ESCAPE)
    assert browser.texts(".bubble") == ["First.", "Second."]
    browser.press(Keys.ENTER)
    browser.press(Keys.END, Keys.SHIFT, Keys.ENTER, Keys.NULL, "More.", Keys.ENTER)
    browser.done()
    assert browser.texts(".bubble") == ["First.", "Second.\nMore."]
    assert [m["content"] for m in last(browser)["body"]["messages"] if m["role"] == "user"] == ["First.", "Second.\nMore."]


def check_errors(browser):
    """Each failure says what happened and what to do; what was written stays, and trying again works."""
    for model, (title, remedy) in ERRORS.items():
        browser.open()
        browser.ask("Keep me.", model)
        browser.done()
        told = browser.texts(".failure")
        assert len(told) == 1 and title in told[0] and remedy in told[0], (model, told)
        assert browser.texts(".bubble") == ["Keep me."] and messages(browser)[0]["content"] == "Keep me."
        assert browser.answer() == ("The beginning of an answer" if model in ("error-midstream", "cut-off") else "")
        browser.choose("#model", "plain")
        browser.find(".failure button").click()
        browser.until(browser.busy)
        browser.done()
        assert browser.answer().startswith("One two") and not browser.texts(".failure")


def check_offline(browser):
    """When the server is gone the page says so, before and after a message."""
    browser.open()
    browser.cdp("Network.enable")
    browser.cdp("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    browser.ask("Anyone?", "plain")
    browser.done()
    told = browser.texts(".failure")[0]
    assert "cannot be reached" in told and browser.base.rstrip("/") in told and browser.texts(".bubble") == ["Anyone?"]
    browser.cdp("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    browser.ask("Again.")
    browser.done()
    assert browser.answer().startswith("One two")
    assert last(browser)["body"]["messages"] == [{"role": "user", "content": "Anyone?\n\nAgain."}]


def check_failed_regenerate_keeps_answer(browser):
    """An answer is not lost when writing it anew fails."""
    browser.open()
    browser.ask("Count.", "plain")
    browser.done()
    browser.choose("#model", "error-500")
    browser.find(".assistant.last .tools button:last-child").click()
    browser.until(lambda: browser.texts(".failure"))
    assert browser.answer().startswith("One two")


def check_key(browser):
    """A key is asked for, used, and kept only when the user says so."""
    browser.open()
    browser.ask("Open.", "key")
    browser.done()
    assert "asks for an API key" in browser.texts(".failure")[0]
    browser.find(".failure .buttons button:last-child").click()
    browser.set("key", "wrong")
    browser.close_settings()
    browser.find(".failure button").click()
    browser.until(lambda: "refused the API key" in "".join(browser.texts(".failure")))
    browser.set("key", "secret")
    browser.close_settings()
    browser.find(".failure button").click()
    browser.until(lambda: browser.answer() == "The key was right.")
    assert "secret" not in json.dumps(browser.stored())
    browser.js("document.getElementById('open-settings').click()")
    browser.find("#settings [name=remember]").click()
    assert browser.stored()["ounce.key"] == "secret"
    browser.find("#settings [name=remember]").click()
    assert "ounce.key" not in browser.stored()


def check_settings(browser):
    """Settings survive a reload and are sent; what is out of range is not."""
    browser.open()
    values = {"system": "Be brief.", "temperature": "0.2", "top_p": "0.9", "max_tokens": "64", "seed": "7", "presence_penalty": "-0.5", "frequency_penalty": "9"}
    for name, value in values.items():
        browser.set(name, value)
    browser.js("document.getElementById('settings').close()")
    browser.open(fresh=False)
    browser.ask("Hello.", "plain")
    browser.done()
    body = last(browser)["body"]
    sent = {name: body.get(name) for name in values if name != "system"}
    assert sent == {"temperature": 0.2, "top_p": 0.9, "max_tokens": 64, "seed": 7, "presence_penalty": -0.5, "frequency_penalty": None}, sent
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}


def check_model_picker(browser):
    """The server's models are offered, and the choice survives a reload."""
    browser.open()
    assert browser.texts("#model option") == mock.MODELS
    browser.choose("#model", "markdown")
    browser.open(fresh=False)
    assert browser.js("return document.getElementById('model').value") == "markdown"


def check_conversations(browser):
    """Conversations can be left while one is answered, found again, renamed, exported and deleted."""
    browser.open()
    browser.ask("The first one.", "slow")
    browser.until(lambda: browser.answer())
    browser.find("#new-conversation").click()
    assert browser.texts(".message") == [] and browser.all("#conversations .busy")
    browser.done()
    browser.ask("The second one.", "plain")
    browser.done()
    assert browser.texts("#conversations .title") == ["The second one.", "The first one."]
    browser.all("#conversations .title")[1].click()
    assert browser.answer() == "One two three four five six seven eight nine ten." and browser.texts(".bubble") == ["The first one."]
    browser.open(fresh=False)
    assert browser.texts(".bubble") == ["The first one."], "a reload shows the same conversation"
    browser.js("document.querySelectorAll('#conversations li')[1].querySelector('.tools button').click()")
    browser.press(Keys.CONTROL, "a", Keys.NULL, "Renamed", Keys.ENTER)
    browser.until(lambda: browser.texts("#conversations .title") == ["The second one.", "Renamed"])
    check_export(browser)
    browser.js("document.querySelectorAll('#conversations li')[1].querySelector('.tools button:last-child').click()")
    browser.find("#ask-cancel").click()
    assert len(browser.all("#conversations li")) == 2
    browser.js("document.querySelectorAll('#conversations li')[1].querySelector('.tools button:last-child').click()")
    browser.press(Keys.ENTER)
    browser.until(lambda: browser.texts("#conversations .title") == ["The second one."])
    assert browser.texts(".message") == []


def check_export(browser):
    with tempfile.TemporaryDirectory() as folder:
        browser.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder)
        for kind, name in (("markdown", "renamed.md"), ("json", "renamed.json")):
            browser.choose("#export", kind)
            browser.until((Path(folder) / name).is_file)
        time.sleep(0.2)
        markdown = (Path(folder) / "renamed.md").read_text()
        exported = json.loads((Path(folder) / "renamed.json").read_text())
    assert markdown.startswith("# Renamed\n\n## You\n\nThe first one.\n\n## slow\n\nOne two"), markdown
    assert exported["title"] == "Renamed" and [m["role"] for m in exported["messages"]] == ["user", "assistant"]


def check_copy(browser):
    """Answers and code blocks can be copied as they are."""
    browser.open()
    browser.cdp("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"], origin=browser.base.rstrip("/"))
    browser.ask("Show.", "markdown")
    browser.done()
    for selector, beginning in ((".copy-answer", "## Quantization, briefly"), (".copy-code", "def quantize(row, bits=4):\n    # One")):
        browser.find(selector).click()
        browser.until(lambda: browser.texts(selector) == ["Copied"])
        assert browser.wait_js("return navigator.clipboard.readText()").startswith(beginning)
        browser.until(lambda: browser.texts(selector) == ["Copy"])


def check_hostile_answer(browser):
    """An answer full of markup is shown as text."""
    browser.open()
    browser.ask("Attack.", "hostile")
    browser.done()
    assert "<script>window.owned = 1</script>" in browser.answer() and "<iframe" in browser.answer()
    assert browser.js("return window.owned") is None
    assert not browser.all("#thread :is(script, img, iframe, object, embed, form, style, [style], [onerror])")


def check_broken_storage(browser):
    """What is stored may be damaged: the page still starts, without it."""
    browser.open()
    browser.js("localStorage['ounce.settings'] = '{'; localStorage['ounce.conversation.x'] = '[]'; localStorage['ounce.conversation.y'] = '{\"id\":\"y\",\"messages\":[null,{\"role\":\"root\",\"content\":1}]}';")
    browser.open(fresh=False)
    browser.ask("Hello.", "plain")
    browser.done()
    assert browser.answer().startswith("One two")


CHECKS = [
    check_stream, check_uncounted, check_truncated, check_stop, check_regenerate_and_edit, check_errors, check_offline, check_failed_regenerate_keeps_answer,
    check_key, check_settings, check_model_picker, check_conversations, check_copy, check_hostile_answer, check_broken_storage,
]
