"""End-to-end checks of the chat page in a headless Chromium. Needs Debian's `chromium` and `chromium-driver`, and pip's `selenium`.

    python3 page.py                          all checks, against a mock server that this script starts
    python3 page.py http://127.0.0.1:8080/ --real     the checks that make sense for a real model, against a running `ounce serve`

`--screens FOLDER` writes pictures of the page; `--only NAME` runs the checks whose name has NAME in it.
"""

import argparse
import sys
import traceback

import chat_checks
import look_checks
import markdown_checks
import mock
import real_checks
from browser import Browser


def outside(browser):
    """The addresses asked for that are not the server's own."""
    return [url for url in browser.requests() if not url.startswith((browser.base, "blob:", "data:,", "about:"))]


def run(browser, check):
    """Runs one check; also fails when the console complains or anything was asked from elsewhere."""
    browser.console(), browser.requests()
    try:
        check(browser)
        complaints, elsewhere = browser.console(), outside(browser)
        assert not complaints, f"the console says {complaints}"
        assert not elsewhere, f"asked from elsewhere: {elsewhere}"
    except Exception as error:
        print(f"FAILED  {check.__name__}: {check.__doc__}", flush=True)
        print("".join(traceback.format_exception(error, limit=-2)), flush=True)
        return False
    print(f"ok      {check.__name__}", flush=True)
    return True


def pictures(browser, folder):
    """Light, dark, phone, as a reader sees them."""
    browser.open()
    browser.screenshot(folder, "welcome")
    browser.ask("How does quantization work? A short overview, please.", "markdown")
    browser.done()
    browser.js("document.activeElement.blur()")
    for theme in ("light", "dark"):
        look_checks.theme(browser, theme)
        browser.screenshot(folder, theme)
    browser.js("document.getElementById('open-settings').click()")
    browser.screenshot(folder, "settings")
    browser.js("document.getElementById('settings').close()")
    browser.ask("And activations?", "error-429")
    browser.done()
    browser.screenshot(folder, "error")
    browser.phone()
    browser.screenshot(folder, "phone-dark")
    look_checks.theme(browser, "light")
    browser.js("document.getElementById('scroller').scrollTop = 0")
    browser.screenshot(folder, "phone")
    browser.js("document.getElementById('sidebar-open').click()")
    browser.screenshot(folder, "phone-panel")
    browser.phone(False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", nargs="?", help="address of a running server; without it, a mock server is started")
    parser.add_argument("--real", action="store_true", help="only the checks that make sense for a real model")
    parser.add_argument("--screens", metavar="FOLDER", help="write screenshots there")
    parser.add_argument("--only", default="", metavar="NAME", help="run the checks whose name contains NAME")
    arguments = parser.parse_args()
    if arguments.real and not arguments.base:
        parser.error("--real needs the address of a running server")
    base = arguments.base or f"http://127.0.0.1:{mock.serve().server_address[1]}/"
    checks = real_checks.CHECKS if arguments.real else [*markdown_checks.CHECKS, *chat_checks.CHECKS, *look_checks.CHECKS]
    browser = Browser(base if base.endswith("/") else base + "/", patience=10 if arguments.real else 1)
    try:
        browser.open()
        results = [run(browser, check) for check in checks if arguments.only in check.__name__]
        if arguments.screens:
            (real_checks.pictures if arguments.real else pictures)(browser, arguments.screens)
    finally:
        browser.close()
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
