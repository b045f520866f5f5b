"""Opens pages in headless Chromium and does to them what a user does.

usage: browser.py < visits.json > seen.json

Reads a list of visits and writes a list of what was seen, one a visit:

    {"url": "file:///…", "javascript": true, "width": 1200, "height": 800, "dark": false,
     "print": false, "steps": [
        {"script": "return …", "given": [1, 2]},  value of a script: a body with arguments[0], …
        {"type": "#css", "keys": "12"},           what a user types; {ARROW_UP} is that key
        {"click": "#css"},                        a click
        {"open": "file:///…"},                    another address in the same tab
        {"wait": "return …"},                     until a script says true, at most 10 s
        {"axe": "document"},                      what axe-core finds to mend there
        {"screenshot": "/path/x.png"}]}           the whole page as an image

    {"results": [one a step, null where there is none],
     "console": ["SEVERE …" and other lines of the console],
     "requests": ["https://…", …]}                all that was asked for but pages of file:, data: and blob:

Needs Debian's packages chromium and chromium-driver and the wheels selenium and
axe-playwright-python (of which only its axe.min.js is used).
"""

import base64
import importlib.util
import json
import pathlib
import re
import sys
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
]


def start(profile, javascript):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    if not javascript:
        off = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", off)
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


def keys(text):
    """`{ARROW_UP}` becomes that key; all else is typed as it stands."""
    return re.sub(r"\{([A-Z_]+)\}", lambda name: getattr(Keys, name[1]), text)


def screenshot(driver, path):
    """The whole page, however long."""
    image = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    pathlib.Path(path).write_bytes(base64.b64decode(image["data"]))


def violations(driver):
    """Every rule that is broken, with where and why."""
    found = importlib.util.find_spec("axe_playwright_python")
    script = pathlib.Path(found.submodule_search_locations[0], "axe.min.js")
    driver.set_script_timeout(120)
    driver.execute_script(script.read_text())
    return driver.execute_async_script(
        "const done = arguments[0];"
        "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => done(violations.map("
        "(v) => [v.id, v.help, ...v.nodes.slice(0, 3).map((n) => `${n.target}: ${n.failureSummary}`)])))")


def step(driver, what):
    if "script" in what:
        return driver.execute_script(what["script"], *what.get("given", []))
    if "type" in what:
        driver.find_element(By.CSS_SELECTOR, what["type"]).send_keys(keys(what["keys"]))
    elif "click" in what:
        driver.find_element(By.CSS_SELECTOR, what["click"]).click()
    elif "open" in what:
        driver.get(what["open"])
    elif "wait" in what:
        WebDriverWait(driver, 10).until(lambda d: d.execute_script(what["wait"]))
    elif "axe" in what:
        return violations(driver)
    elif "screenshot" in what:
        screenshot(driver, what["screenshot"])
    else:
        raise SystemExit(f"no such step: {what}")
    return None


def requests(driver):
    """What was asked of a network: everything but what needs none."""
    asked = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:", "chrome:", "chrome-untrusted:", "about:")):
                asked.append(url)
    return asked


def visit(driver, asked):
    size = {"width": asked.get("width", 1200), "height": asked.get("height", 800)}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size | {"deviceScaleFactor": 1, "mobile": False})
    scheme = {"name": "prefers-color-scheme", "value": "dark" if asked.get("dark") else "light"}
    media = {"media": "print" if asked.get("print") else "", "features": [scheme]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    driver.get_log("browser"), driver.get_log("performance")
    # From an empty page, so that a page with another fragment is loaded anew.
    driver.get("about:blank")
    driver.get(asked["url"])
    # On a busy machine the driver may come back before the page is whole.
    whole = "return document.readyState === 'complete' && location.protocol !== 'about:'"
    WebDriverWait(driver, 20).until(lambda browser: browser.execute_script(whole))
    results = [step(driver, what) for what in asked["steps"]]
    console = [f"{line['level']} {line['message']}" for line in driver.get_log("browser")]
    return {"results": results, "console": console, "requests": requests(driver)}


def main():
    visits = json.load(sys.stdin)
    seen = [None] * len(visits)
    for javascript in (True, False):
        here = [i for i, v in enumerate(visits) if v.get("javascript", True) == javascript]
        if not here:
            continue
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            driver = start(profile, javascript)
            try:
                for i in here:
                    seen[i] = visit(driver, visits[i])
            finally:
                driver.quit()
    json.dump(seen, sys.stdout)


main()
