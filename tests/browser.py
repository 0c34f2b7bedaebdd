"""A real browser, for tests of pages: Chromium without a window, spoken to over a pipe.

    with Browser() as browser:
        browser.open(path)
        browser.run("document.title")

Chromium speaks the DevTools protocol: messages in JSON, each ended by a zero byte, which it reads from its file
descriptor 3 and writes to 4. Source: https://chromedevtools.github.io/devtools-protocol
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 60  # seconds
needs_browser = pytest.mark.skipif(
    PROGRAM is None or os.name != "posix", reason="no Chromium is installed, or pipes are none of its descriptors"
)


class Browser:
    """A browser with one page, within a ``with`` block."""

    def __enter__(self) -> Browser:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = ["--headless", "--remote-debugging-pipe", f"--user-data-dir={self._profile.name}", "--lang=en-US"]
        # Without a sandbox, which containers do not allow: the pages are our own.
        options += ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        to_descriptors = 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null'
        command = ["sh", "-c", to_descriptors, str(PROGRAM), *options]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, bufsize=0, **pipes)
        self._rest, self._number, self._session = b"", 0, {}
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        self("Page.enable")
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.terminate()
        self._profile.cleanup()

    def __call__(self, method: str, **params: Any) -> Any:
        """Send a command, and return its result."""
        number = self.send(method, **params)
        while (answer := self._next()).get("id") != number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def send(self, method: str, **params: Any) -> int:
        """Send a command without waiting for its result; return its number."""
        self._number += 1
        message = json.dumps({"id": self._number, "method": method, "params": params, **self._session}).encode() + b"\0"
        while message:
            message = message[self._process.stdin.write(message) :]
        return self._number

    def _next(self) -> dict[str, Any]:
        """Return the next message of the browser: a result or an event."""
        while b"\0" not in self._rest:
            if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
                raise TimeoutError(f"the browser has said nothing for {PATIENCE} seconds")
            received = self._process.stdout.read(1 << 20)
            if not received:
                raise EOFError("the browser has ended")
            self._rest += received
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, path: Path) -> None:
        """Open a file, and wait until it is loaded."""
        self("Page.navigate", url=path.resolve().as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str) -> Any:
        """Return what an expression of JavaScript is, awaited, as JSON has it."""
        found = self("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"].get("description", "an error in the page"))
        return found["result"].get("value")

    def screen(self, width: int, *, dark: bool = False) -> None:
        """Set the width of the page, and its colours."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self("Emulation.setEmulatedMedia", features=features)

    def picture(self, path: Path) -> None:
        """Save a picture of the page as it looks, to its end."""
        shot = self("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(b64decode(shot["data"]))

    def stroke(self, points: list[tuple[float, float]]) -> None:
        """Draw a line with the mouse."""
        moves = [
            ("mousePressed", points[0]),
            *(("mouseMoved", point) for point in points),
            ("mouseReleased", points[-1]),
        ]
        for i, (kind, (x, y)) in enumerate(moves):
            # The moves before the last one are not waited for: the page gets all that arrive within a frame at once.
            call = self if i == len(moves) - 1 else self.send
            buttons = int(kind != "mouseReleased")
            call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons, clickCount=1)
