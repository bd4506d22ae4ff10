"""Headless Chromium with no network, led over DevTools by a pair of pipes, so that no port is opened."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NO_CHROMIUM = "needs a browser: apt-get install chromium"


class Browser:
    """Chromium behind a pair of pipes (--remote-debugging-pipe), in a network namespace of its own where it may."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        self._profile = profile
        to_read, self._send = os.pipe()
        self._receive, to_write = os.pipe()
        words = ["unshare", "-n", CHROMIUM] if os.geteuid() == 0 else [CHROMIUM]
        words += [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}", "about:blank",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", *words],
            pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        self.session = ""

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._receive, 1 << 16)
            if not piece:
                raise RuntimeError("the browser is gone")
            self._rest += piece
        text, _nul, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        return found

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Call one method and return its result; events that come meanwhile are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            found = self._message()
            if found.get("id") == self._number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']}")
                result: dict[str, Any] = found["result"]
                return result
            self.events.append(found)

    def wait_for(self, method: str) -> None:
        """Return when an event has come."""
        while not any(one.get("method") == method for one in self.events):
            self.events.append(self._message())

    def value(self, expression: str) -> Any:
        """Return what an expression is on the page."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def key(self, key: str, text: str = "") -> None:
        """Press and release one key."""
        codes = {"Tab": 9, "Enter": 13, "/": 191}
        code = codes.get(key, ord(key.upper()) if len(key) == 1 else 0)
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **more)

    def open(self, page: Path) -> None:
        """Open a file and return when it has loaded."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        self.wait_for("Page.loadEventFired")

    def end(self) -> None:
        """End the browser, and remove the folder of the socket to which its profile points: it stays in /tmp."""
        socket = (self._profile / "SingletonSocket").readlink()
        self.process.terminate()
        self.process.wait(20)
        assert socket.parent.name.startswith("org.chromium.")
        shutil.rmtree(socket.parent, ignore_errors=True)


def findings(browser: Browser, page: Path) -> list[str]:
    """Return what is wrong with a page; empty is well."""
    browser.open(page)
    found = []
    total = browser.value("document.querySelectorAll('#trace-rows tr').length")
    browser.key("/", "/")
    if browser.value("document.activeElement.id") != "trace-text":
        found.append("/ does not go to the filter")
    for letter in "select":
        browser.key(letter, letter)
    shown = browser.value("document.querySelectorAll('#trace-rows tr:not([hidden])').length")
    count = browser.value("document.getElementById('trace-count').textContent")
    if not 0 < shown < total or count != f"{shown} of {total} statements":
        found.append(f"the filter shows {shown} of {total}, and says {count!r}")
    browser.key("Tab")
    if browser.value("document.activeElement.id") != "trace-scenario":
        found.append("Tab does not go on to the scenario")
    browser.value("document.querySelector('#gates summary').focus()")
    browser.key("Enter", "\r")
    if not browser.value("document.querySelector('#gates details').open"):
        found.append("Enter does not open a fact")
    pdf = base64.b64decode(browser.ask("Page.printToPDF", printBackground=True)["data"])
    if not pdf.startswith(b"%PDF") or len(pdf) < 20_000:
        found.append("it does not print")
    if not browser.value("Array.from(document.querySelectorAll('details')).every(one => one.open)"):
        found.append("printing does not open the facts")
    for event in browser.events:
        method, params = event.get("method"), event.get("params", {})
        if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            found.append(f"console: {json.dumps(params)[:300]}")
        if method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(
            ("file:", "data:")
        ):
            found.append(f"it asks for {params['request']['url']}")
    return found
