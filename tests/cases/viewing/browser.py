"""A headless Chromium that tests drive through two pipes; no package is needed for it."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60.0
"""Seconds in which the browser must answer."""

KEYS = {"ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, "Tab": 9}


def chromium() -> str:
    """The browser's path; the test is skipped where there is none."""
    for name in NAMES:
        if (path := shutil.which(name)) is not None:
            return path
    pytest.skip(f"no headless browser here: none of {', '.join(NAMES)} is installed")


class Browser:
    """One page of a browser.

    Args:
        profile: A folder for what the browser writes.
        size: Width and height of the window in pixels.
        dark: Say that the user prefers a dark page.
    """

    def __init__(
        self, profile: Path, size: tuple[int, int] = (1280, 900), *, dark: bool = False
    ) -> None:
        program = chromium()
        read_by_browser, self._out = os.pipe()
        self._in, written_by_browser = os.pipe()
        options = [
            "--headless=new",
            "--remote-debugging-pipe",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={profile}",
            f"--window-size={size[0]},{size[1]}",
        ]

        # the browser reads commands from file 3 and writes answers to file 4
        script = f'exec 3<&{read_by_browser} 4>&{written_by_browser}; exec "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", program, *options, "about:blank"],
            pass_fds=(read_by_browser, written_by_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_by_browser)
        os.close(written_by_browser)
        self._left = b""
        self._count = 0
        self._session: str | None = None
        self.said: list[str] = []
        targets = self.ask("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        attached = self.ask("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        width, height = size
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[theme])

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._out)
        os.close(self._in)

    def ask(self, method: str, **words: Any) -> Any:
        """Send a command of the DevTools protocol, and return what it answers."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": words}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            found = self._message()
            if found.get("id") == self._count:
                assert "error" not in found, found["error"]
                return found["result"]
            self._note(found)

    def _message(self) -> Any:
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._in], [], [], PATIENCE)
            assert ready, f"the browser is silent for {PATIENCE} s"
            read = os.read(self._in, 1 << 16)
            assert read, "the browser has ended"
            self._left += read
        message, self._left = self._left.split(b"\0", 1)
        return json.loads(message)

    def _note(self, event: Any) -> None:
        """Remember errors: of scripts, and of what the page may not load."""
        words = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = words["exceptionDetails"]
            self.said.append(details.get("exception", {}).get("description", details["text"]))
        if event.get("method") == "Log.entryAdded" and words["entry"]["level"] == "error":
            self.said.append(f"{words['entry']['text']} {words['entry'].get('url', '')}")

    def open(self, url: str) -> None:
        """Go to a page."""
        self.ask("Page.navigate", url=url)

    def find(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = 30.0) -> Any:
        """Wait until an expression is true; its value."""
        end = time.monotonic() + seconds
        while not (found := self.find(script)):
            assert time.monotonic() < end, f"not true after {seconds} s: {script}; {self.said}"
            time.sleep(0.05)
        return found

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window."""
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key."""
        code = KEYS.get(key, ord(key[0]))
        words = {"key": key, "windowsVirtualKeyCode": code}
        text = {} if len(key) > 1 else {"text": key}
        self.ask("Input.dispatchKeyEvent", type="keyDown", **words, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **words)

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of the window, or of the whole page."""
        found = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])
