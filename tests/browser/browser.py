"""browser.py - drives a headless Chromium through its debugging pipe (the Chrome DevTools Protocol). No packages beyond python3 and
chromium.

    with Browser() as browser:
        page = browser.page(width=1280, height=900)
        page.open("/tmp/flame.html")             # a path, or a URL
        page.wait("document.querySelector('canvas')")
        page.press("/"); page.type("malloc")
        page.screenshot("build/browser/flame.png")
        assert page.messages == []               # console messages, exceptions, violations of the page's policy

Every wait is for an event, within PATIENCE seconds. The browser and its profile folder are removed at the end."""
import base64
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE = float(os.environ.get("GUMSHOE_PATIENCE", "300"))


class Failed(Exception):
    pass


class Browser:
    """One Chromium process. As root it needs --no-sandbox."""

    def __init__(self, *arguments):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            raise Failed("chromium is not installed")
        self.folder = tempfile.mkdtemp(prefix="gumshoe-browser-")
        to_read, self.to_write = os.pipe()
        self.from_read, from_write = os.pipe()
        command = [program, "--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + self.folder, "--no-first-run",
                   "--disable-gpu", "--disable-extensions", "--disable-background-networking", "--disable-component-update",
                   "--force-color-profile=srgb", "--hide-scrollbars", "--disable-dev-shm-usage", *arguments]
        if os.geteuid() == 0:
            command.append("--no-sandbox")
        environment = dict(os.environ, HOME=self.folder, XDG_CONFIG_HOME=self.folder, XDG_CACHE_HOME=self.folder,
                           TMPDIR=self.folder)
        environment.pop("LD_PRELOAD", None)

        def pipes_at_3_and_4():
            os.dup2(to_read, 10)
            os.dup2(from_write, 11)
            os.dup2(10, 3)
            os.dup2(11, 4)

        self.process = subprocess.Popen(command, preexec_fn=pipes_at_3_and_4, close_fds=False, env=environment, start_new_session=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.number, self.pending, self.pages, self.received = 0, b"", {}, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.to_write)
        os.close(self.from_read)
        for _ in range(100):  # its children end a moment later, and may be writing still
            shutil.rmtree(self.folder, ignore_errors=True)
            if not os.path.exists(self.folder):
                break
            time.sleep(0.1)

    def read(self, seconds):
        """Read messages for at most SECONDS, until there is one; answers go to `received`, events to their page."""
        while b"\0" not in self.pending:
            if not select.select([self.from_read], [], [], seconds)[0]:
                return False
            more = os.read(self.from_read, 1 << 20)
            if not more:
                raise Failed("chromium has ended")
            self.pending += more
        *messages, self.pending = self.pending.split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self.received[message["id"]] = message
            elif message.get("sessionId") in self.pages:
                self.pages[message["sessionId"]].on_event(message["method"], message["params"])
        return True

    def call(self, method, session=None, **parameters):
        self.number += 1
        number, until = self.number, time.monotonic() + PATIENCE
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to_write, data):]
        while number not in self.received:
            if not self.read(1) and time.monotonic() > until:
                raise Failed("no answer to " + method)
        answer = self.received.pop(number)
        if "error" in answer:
            raise Failed("%s: %s" % (method, answer["error"]["message"]))
        return answer["result"]

    def page(self, width=1280, height=900, dark=False, scale=1):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, session, width, height, dark, scale)


# What Input.dispatchKeyEvent wants beyond the key's name.
KEYS = {"Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), "Tab": ("Tab", 9, ""), "Backspace": ("Backspace", 8, ""), "Home": ("Home", 36, ""),
        "ArrowLeft": ("ArrowLeft", 37, ""), "ArrowUp": ("ArrowUp", 38, ""), "ArrowRight": ("ArrowRight", 39, ""), "ArrowDown": ("ArrowDown", 40, "")}


class Page:
    def __init__(self, browser, session, width, height, dark, scale):
        self.browser, self.session, self.messages, self.loads, self.requests, self.dialog = browser, session, [], 0, [], None
        browser.pages[session] = self
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.resize(width, height, scale)
        self.media(dark=dark)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def on_event(self, method, parameters):
        if method == "Page.loadEventFired":
            self.loads += 1
        elif method == "Page.javascriptDialogOpening":
            self.dialog = parameters["message"]
        elif method == "Runtime.consoleAPICalled":
            self.messages.append(parameters["type"] + ": " + " ".join(str(one.get("value", one.get("description"))) for one in parameters["args"]))
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.messages.append("exception: " + details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded":
            self.messages.append(parameters["entry"]["level"] + ": " + parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    # ---- the page

    def open(self, where):
        """Open a file or a URL; returns once it is loaded."""
        url = where if "://" in where else pathlib.Path(where.partition("#")[0]).resolve().as_uri() + "".join(where.partition("#")[1:])
        loads, until = self.loads, time.monotonic() + PATIENCE
        if url.partition("#")[0] == self.evaluate("location.href").partition("#")[0] and "#" in url:
            self.call("Page.navigate", url="about:blank") # a change of the hash alone loads nothing
            while self.loads == loads:
                self.browser.read(1)
            loads = self.loads
        error = self.call("Page.navigate", url=url).get("errorText")
        if error:
            raise Failed("%s: %s" % (url, error))
        while self.loads == loads:
            if not self.browser.read(1) and time.monotonic() > until:
                raise Failed(url + " does not load")

    def evaluate(self, expression):
        """The value of an expression, also of a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise Failed("%s: %s" % (expression, answer["exceptionDetails"].get("exception", {}).get("description", "")))
        return answer["result"].get("value")

    def wait(self, condition):
        """Until an expression is true."""
        until = time.monotonic() + PATIENCE
        while not self.evaluate("Boolean(%s)" % condition):
            broken = [message for message in self.messages if message.startswith("exception")]
            if broken or time.monotonic() > until:
                raise Failed("still not: %s %s" % (condition, broken))
            time.sleep(0.02)

    def text(self, selector="body"):
        return self.evaluate("document.querySelector(%s).textContent" % json.dumps(selector))

    # ---- what a person does

    def press(self, key, *modifiers):
        code, number, text = KEYS.get(key, (key, ord(key[0].upper()) if key.isalnum() else 0, key)) # 36 is no "$" but Home
        flags = sum({"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}[name] for name in modifiers)
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": flags}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text):
        for character in text:
            self.press(character)

    def click(self, x, y, *modifiers):
        """At a place of the window, in CSS pixels."""
        flags = sum({"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}[name] for name in modifiers)
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1, modifiers=flags)

    def move(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click_on(self, selector, *modifiers):
        """In the middle of an element, which is scrolled to."""
        x, y = self.evaluate("(() => { const e = document.querySelector(%s); e.scrollIntoView({block: 'center'});"
                             " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()" % json.dumps(selector))
        self.click(x, y, *modifiers)

    # ---- the window

    def resize(self, width, height, scale=1):
        self.width, self.height = width, height
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 700)

    def media(self, dark=False, kind=""):
        self.call("Emulation.setEmulatedMedia", media=kind, features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def screenshot(self, path, whole=False, has_script=True):
        """Of the window, or of the whole page. Where script is off (HAS_SCRIPT), nothing is waited for."""
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        if has_script:
            self.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        more = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            more = {"captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 8000), "scale": 1}}
        data = self.call("Page.captureScreenshot", format="png", **more)["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def print(self, path):
        """As a PDF."""
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_bytes(base64.b64decode(self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]))
