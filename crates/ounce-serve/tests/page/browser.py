"""A headless Chromium and what the checks do with it."""

import json
import shutil
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

WAIT = 30


class Browser:
    """One window on the page at `base`."""

    def __init__(self, base, patience=1, size=(1180, 860)):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en", f"--window-size={size[0]},{size[1]}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = shutil.which("chromedriver")
        self.driver = webdriver.Chrome(service=webdriver.ChromeService(driver) if driver else None, options=options)
        self.driver.set_script_timeout(300)
        self.base, self.patience, self.messages = base, patience, []

    def close(self):
        self.driver.quit()

    def open(self, fresh=True):
        """Loads the page as in a browser that was never here; without `fresh`, reloads it as it is."""
        if not fresh:
            self.driver.refresh()
        else:
            self.driver.get(self.base)
            self.js("localStorage.clear(); sessionStorage.clear(); history.replaceState(null, '', '/');")
            self.driver.get(self.base)
        self.until(lambda: self.js("return document.querySelectorAll('#model option').length > 0 && !!document.querySelector('#starters li')"))
        self.until(lambda: self.js("return document.getElementById('model').value !== '' || !!document.querySelector('#welcome .failure')"))

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait_js(self, script, *arguments):
        """Runs the body of an async function in the page and returns what it gives."""
        text = f"const done = arguments[arguments.length - 1]; (async (...args) => {{ {script} }})(...arguments).then((v) => done([v]), (e) => done(['' + e.stack, 1]))"
        answer = self.driver.execute_async_script(text, *arguments)
        assert len(answer) == 1, answer[0]
        return answer[0]

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        return self.js("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector)

    def until(self, condition, seconds=WAIT):
        """Waits until `condition()` is true, and gives its value."""
        end = time.monotonic() + seconds * self.patience
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.03)
        raise AssertionError("this never came true")

    def press(self, *keys):
        """Types to whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def choose(self, selector, value):
        Select(self.find(selector)).select_by_value(value)

    def ask(self, text, model=None):
        if model:
            self.choose("#model", model)
        self.find("#composer-text").send_keys(text, Keys.ENTER)

    def busy(self):
        return self.js("return !!document.querySelector('#composer.busy')")

    def done(self):
        self.until(lambda: not self.busy())

    def answer(self):
        """The text of the last answer."""
        return (self.texts(".assistant .prose") or [""])[-1]

    def set(self, name, value):
        """Fills a field of the settings as a user does."""
        self.js("document.getElementById('settings').open || document.getElementById('open-settings').click()")
        field = self.find(f"#settings [name={name}]")
        field.clear()
        field.send_keys(value)

    def close_settings(self):
        self.find("#settings footer .primary").click()

    def stored(self):
        return self.js("return { ...localStorage }")

    def phone(self, on=True):
        if on:
            self.cdp("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
        else:
            self.cdp("Emulation.clearDeviceMetricsOverride")
        time.sleep(0.3)

    def media(self, **features):
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": name.replace("_", "-"), "value": value} for name, value in features.items()])

    def console(self):
        """The errors and warnings since the last call, without those that name the status of an answer."""
        found = [entry["message"] for entry in self.driver.get_log("browser")]
        return [message for message in found if "Failed to load resource" not in message]

    def requests(self):
        """The addresses asked for since the last call."""
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def screenshot(self, folder, name):
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(folder) / f"{name}.png"))
