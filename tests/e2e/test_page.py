# SPDX-License-Identifier: Apache-2.0
"""The web page in Chromium: what a person does with it, and that nothing of it leaves the machine."""
import json
import os
import re
import shutil
import time

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from serving import Server

SECONDS = 60  # of one thing that the page is to show

pytestmark = pytest.mark.skipif(not shutil.which("chromedriver"), reason="no chromedriver")


@pytest.fixture(scope="module")
def server(smollm2):
    running = Server(smollm2)
    yield running
    running.stop()


def open_browser(folder, width=1200):
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 f"--window-size={width},900", f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    # Emulated, since a window has a least width of its own.
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
    return driver


class Page:
    def __init__(self, driver, server):
        self.driver = driver
        driver.get(f"http://127.0.0.1:{server.port}/")
        self.until(lambda: self.one("#model option"))

    def one(self, selector):
        found = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return found[0] if found else None

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def until(self, condition):
        return WebDriverWait(self.driver, SECONDS).until(lambda _: condition())

    def click(self, selector):
        self.until(lambda: self.one(selector)).click()

    def set(self, **fields):
        """Settings of the chat, by the ends of their ids."""
        self.click("#open-settings")
        for name, value in fields.items():
            field = self.until(lambda: self.one(f"#set-{name}"))
            field.clear()
            field.send_keys(str(value))
        self.click("#set-save")
        self.until(lambda: not self.one("#settings[open]"))

    def ask(self, text):
        self.one("#input").send_keys(text, Keys.ENTER)

    def answer(self):
        """The last answer, once it is whole."""
        self.until(lambda: self.all(".message.assistant") and not self.one(".streaming"))
        return self.all(".message.assistant .body")[-1].text

    def complaints(self):
        # The highlighter that the distribution ships says that it is old.
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] == "SEVERE" and "Highlight.js has reached EOL" not in entry["message"]]


@pytest.fixture()
def page(server, tmp_path):
    driver = open_browser(tmp_path)
    yield Page(driver, server)
    driver.quit()


def test_a_chat_streams_and_is_there_again_after_a_reload(page, server):
    page.set(max_tokens=12, system="You answer in one sentence.")
    page.ask("Name a river.")
    first = page.answer()
    assert first
    assert "tokens/s" in page.one(".message.assistant footer").text
    page.ask("And a lake?")
    page.until(lambda: len(page.all(".message.assistant")) == 2)
    page.answer()
    page.driver.refresh()
    page.until(lambda: len(page.all(".message")) == 4)
    assert page.all(".message.assistant .body")[0].text == first
    assert page.complaints() == []
    # The second turn pays only for what is new.
    figures = page.all(".message.assistant footer")[1].text
    assert int(re.search(r"(\d+) of \d+ prompt tokens cached", figures).group(1)) > 20


def test_nothing_is_fetched_from_elsewhere_and_the_first_paint_is_small(page, server):
    page.set(max_tokens=4)
    page.ask("Hello")
    page.answer()
    sizes, hosts, ours = {}, set(), set()
    for entry in page.driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            if url.startswith("http"):
                hosts.add(url.split("/")[2])
                ours.add(message["params"]["requestId"])
        if message["method"] == "Network.loadingFinished":
            sizes[message["params"]["requestId"]] = message["params"]["encodedDataLength"]
    assert hosts == {f"127.0.0.1:{server.port}"}
    assert 0 < sum(sizes.get(request, 0) for request in ours) < 300_000


def test_edit_and_regenerate_make_branches_that_can_be_walked(page):
    page.set(max_tokens=6)
    page.ask("Name a colour.")
    first = page.answer()
    page.click(".message.assistant footer button[title^='Another answer']")
    page.until(lambda: page.one(".message.assistant .branches"))
    page.answer()
    assert "2/2" in page.one(".message.assistant .branches").text
    page.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.ALT, Keys.ARROW_LEFT)
    page.until(lambda: "1/2" in page.one(".message.assistant .branches").text)
    assert page.answer() == first
    page.one("#input").send_keys(Keys.ARROW_UP)
    editor = page.until(lambda: page.one(".message.user textarea"))
    editor.clear()
    editor.send_keys("Name an animal.", Keys.ENTER)
    page.until(lambda: page.one(".message.user .branches"))
    page.answer()
    assert page.one(".message.user .body").text == "Name an animal."


def test_stop_ends_the_answer_and_keeps_what_came(page, server):
    page.set(max_tokens=900)
    before = server.metric("cairn_clients_gone_total")
    page.ask("Write a very long story about the sea, with many chapters.")
    page.until(lambda: len(page.all(".message.assistant .body")) and len(page.one(".message.assistant .body").text) > 40)
    page.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    assert len(page.answer()) > 40
    assert "stopped" in page.one(".message.assistant footer").text
    page.until(lambda: server.metric("cairn_clients_gone_total") == before + 1)
    page.until(lambda: server.metric("cairn_requests_running") == 0)


def test_markdown_is_shown_and_html_is_not_obeyed(page):
    text = ("| a | b |\n|:-:|--:|\n| 1 | 2 |\n\n```python\nprint(1)\n```\n\n$x^2$ and $$\\frac{1}{2}$$\n\n"
            "<img src=x onerror=alert(1)> [bad](javascript:alert(1)) ![i](http://example.com/i.png)")
    import_chat(page, [("user", "Show it."), ("assistant", text)])
    page.until(lambda: page.one(".message.assistant table") and page.all("math"))
    page.until(lambda: page.one("code [class^=hljs-]"))
    assert not page.all(".message.assistant img") and not page.all("a[href^=javascript]")
    assert len(page.all("math")) == 2
    assert page.complaints() == []


def import_chat(page, messages):
    """As if a file had been imported: into the browser's store, then shown."""
    chat = {"id": "a1", "title": "", "model": "smollm2", "created": 1, "updated": 2, "chosen": {},
            "settings": {"system": "", "schema": "", "tools": "", **{name: None for name in (
                "temperature", "top_p", "top_k", "min_p", "repeat_penalty", "max_tokens", "seed")}},
            "messages": {str(i): {"id": str(i), "parent": str(i - 1) if i else None, "role": role,
                                  "content": content, "finish": "stop"}
                         for i, (role, content) in enumerate(messages)}}
    page.driver.execute_async_script(
        "const done = arguments[1]; const open = indexedDB.open('cairn', 1);"
        "open.onsuccess = () => { const t = open.result.transaction('chats', 'readwrite');"
        "t.objectStore('chats').put(arguments[0]); t.oncomplete = done; };", chat)
    page.driver.get(page.driver.current_url.split("#")[0] + "#a1")
    page.driver.refresh()


def test_search_finds_by_words_of_messages(page):
    import_chat(page, [("user", "What is a quokka?"), ("assistant", "A marsupial.")])
    page.until(lambda: page.one("#chats li"))
    page.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.CONTROL, "k")
    page.one("#search").send_keys("marsupial")
    assert len(page.all("#chats li")) == 1
    page.one("#search").send_keys(" zebra")
    page.until(lambda: not page.all("#chats li"))


def test_files_go_with_the_message_and_wrong_ones_are_refused(page, tmp_path):
    page.set(max_tokens=4)
    good, bad = tmp_path / "notes.txt", tmp_path / "noise.bin"
    good.write_text("The meeting is on Tuesday.")
    bad.write_bytes(bytes(range(256)))
    # The file dialog cannot be driven: drop them.
    for file in (good, bad):
        page.driver.execute_script(
            "const d = new DataTransfer(); d.items.add(new File([new Uint8Array(arguments[1])], arguments[0]));"
            "document.dispatchEvent(new DragEvent('drop', {dataTransfer: d, bubbles: true, cancelable: true}));",
            file.name, list(file.read_bytes()))
    page.until(lambda: page.one("#files .file"))
    page.until(lambda: "neither text nor PDF" in page.one("#banner").text)
    page.ask("When is it?")
    page.answer()
    assert "notes.txt" in page.one(".message.user summary").text


def test_the_live_view_counts(page):
    page.click("#open-live")
    page.until(lambda: len(page.all("#live .card")) == 7)
    assert "MB" in page.one("#live p").text


def test_a_server_that_restarts_in_mid_chat_goes_on_with_the_same_answer(smollm2, tmp_path):
    first = Server(smollm2)
    driver = open_browser(tmp_path)
    try:
        page = Page(driver, first)
        page.set(max_tokens=300, seed=5)
        page.ask("Write a long story about a fox.")
        page.until(lambda: page.one(".message.assistant .body") and len(page.one(".message.assistant .body").text) > 60)
        first.process.kill()
        first.process.wait()
        page.until(lambda: "away" in page.one("#banner").text)
        second = Server(smollm2, port=first.port)
        text = page.answer()
        raw = second.client().chat.completions.create(
            model="smollm2", messages=[{"role": "user", "content": "Write a long story about a fox."}], max_tokens=300, seed=5)
        assert "".join(text.split()) == "".join(raw.choices[0].message.content.split())
        second.stop()
    finally:
        driver.quit()


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_and_can_be_seen(server, tmp_path, width, theme):
    driver = open_browser(tmp_path, width)
    try:
        page = Page(driver, server)
        driver.execute_script("localStorage.setItem('cairn', JSON.stringify({theme: arguments[0], side: innerWidth > 760}))", theme)
        import_chat(page, [("user", "How do I sum a list in Python?"),
                           ("assistant", "Use `sum`:\n\n```python\nprint(sum([1, 2, 3]))  # 6\n```\n\n| call | gives |\n|---|--:|\n| `sum([1, 2])` | 3 |\n\nThe mean is $\\frac{1}{n}\\sum_i x_i$.")])
        page.until(lambda: page.one("code [class^=hljs-]"))
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        wanted = os.environ.get("CAIRN_SCREENSHOTS")
        if wanted:
            page.click("#open-live")
            time.sleep(2)
            driver.save_screenshot(f"{wanted}/page-{theme}-{width}.png")
    finally:
        driver.quit()
