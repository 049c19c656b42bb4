import os
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from mmbench.api import device as devices
from mmbench.datasets import load
from mmbench.datasets.mini.mhd import VERSION
from mmbench.files import transfer
from mmbench.metrics.extractors import classifiers
from mmbench.testing import toy as toys
from mmbench.training import precision

torch.set_num_threads(1)  # the networks of tests are small: threads cost more than they give


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="device of the tests: cpu, cuda, ...")
    parser.addoption("--slow", action="store_true", help="also run what takes minutes")
    parser.addoption("--repin", action="store_true", help="write tests/pins.json anew")


@pytest.fixture
def device(request):
    return torch.device(request.config.getoption("--device"))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """No test reads or fills the user's cache; classifiers of few examples train briefly."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMBENCH_CACHE", str(folder))
        patch.setattr(classifiers, "LEAST_EXAMPLES", 1000)
        patch.setattr(devices, "keep_memory", lambda: None)  # memory is measured in tests
        yield folder


@pytest.fixture(autouse=True)
def _width(monkeypatch):
    """Tables are as wide as without a terminal, whatever a library has set."""
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture(scope="session")
def cache(_own_cache):
    """One cache for the session and all its workers: the toy's classifiers are trained once."""
    return _own_cache


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Registers things as a package does: `installed("mine", models={"m": "module:M"})`."""

    def add(package, version="1", **groups):
        home = tmp_path / f"{package}-{version}.dist-info"
        home.mkdir()
        head = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        (home / "METADATA").write_text(head)
        lines = []
        for group, entries in groups.items():
            lines += [f"[mmbench.{group}]", *(f"{n} = {value}" for n, value in entries.items())]
        (home / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(tmp_path)

    return add


def pytest_collection_modifyitems(config, items):
    data = Path(os.environ.get("MMBENCH_DATA", ""))
    missing = {
        "gpu": None if torch.cuda.is_available() else "needs a CUDA device",
        "realdata": None if os.environ.get("MMBENCH_DATA") and data.is_dir()
        else "needs MMBENCH_DATA, the folder of real samples",
        "slow": None if config.getoption("--slow") else "takes minutes: give --slow",
    }  # fmt: skip
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def toy_dataset():
    """The toy in the place of mhd-mini, whose shapes it has, so that its protocol applies."""
    return replace(toys.toy(), name="mhd-mini", version=VERSION, registered=True)


@pytest.fixture(scope="session")
def toy():
    return toy_dataset()


@pytest.fixture
def namesake(tmp_path):
    """A data set of the user's own that is called mhd-mini, by the name that commands take."""
    file = tmp_path / "namesake.py"
    lines = [
        "from dataclasses import replace",
        "from mmbench.testing.toy import toy",
        'namesake = lambda: replace(toy(), name="mhd-mini")',
    ]
    file.write_text("\n".join(lines))
    yield f"{file}:namesake"
    sys.modules.pop(file.name, None)


@pytest.fixture
def loads(monkeypatch):
    """Makes every name that a command is given load one data set."""
    return lambda dataset: monkeypatch.setattr(load, "load_dataset", lambda *_: dataset)


@pytest.fixture
def toy_loads(toy, loads):
    """Every name that a command is given loads the toy."""
    loads(toy)


@pytest.fixture
def half(monkeypatch):
    """Takes every device for one that is fast in bfloat16."""
    monkeypatch.setattr(precision, "has_half", lambda device: True)


@dataclass
class Item:
    """What the server gives, and how: the first entry of `script` decides the next answer.

    An entry is "ok", "cut" (half of what was asked for, then the connection ends), "page" (a web
    page), "silent", "chunked", "endless" (no length), "lies" (another part than was asked for),
    or the number of an error.
    """

    content: bytes
    etag: str = '"v1"'
    date: str = ""
    ranges: bool = True
    delay: float = 0.0  # seconds between chunks of 8 kB
    script: list = field(default_factory=list)


class Shop(ThreadingHTTPServer):
    """A server of files, `items`, that notes what it was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.items = {}
        self.asked = []  # (path, Range header or None)
        self.given = 0  # bytes

    def offer(self, name, content, **how):
        """The address of a file with that content."""
        self.items[f"/{name}"] = Item(content, **how)
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        item = self.server.items.get(self.path)
        if item is None:
            return self.send_error(404)
        self._head(item, 200, {"Content-Length": len(item.content)})

    def do_GET(self):
        wanted = self.headers["Range"]
        self.server.asked.append((self.path, wanted))
        item = self.server.items.get(self.path)
        if item is None:
            return self.send_error(404)
        way = item.script.pop(0) if item.script else "ok"
        if isinstance(way, int):
            return self.send_error(way)
        if way == "page":
            return self._page()
        if way == "silent":
            return time.sleep(1)
        start, status, headers = 0, 200, {}
        same = self.headers["If-Range"] in (None, item.etag, item.date)
        if wanted and item.ranges and same:
            start, status = int(wanted.removeprefix("bytes=").removesuffix("-")), 206
            if start >= len(item.content):
                return self.send_error(416)
            start = 0 if way == "lies" else start
            last = len(item.content) - 1
            headers["Content-Range"] = f"bytes {start}-{last}/{len(item.content)}"
        body = item.content[start:]
        if way == "chunked":
            headers["Transfer-Encoding"] = "chunked"
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        elif way != "endless":
            headers["Content-Length"] = len(body)
        self._head(item, status, headers)
        if way in ("cut", "endless"):
            body = body[: len(body) // 2]
        self._send(body, item.delay)
        self.close_connection = True

    def _head(self, item, status, headers):
        self.send_response(status)
        if item.etag:
            headers["ETag"] = item.etag
        if item.date:
            headers["Last-Modified"] = item.date
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def _send(self, body, delay):
        step = 8192 if delay else max(len(body), 1)
        for i in range(0, len(body), step):
            time.sleep(delay)
            self.server.given += len(body[i : i + step])
            self.wfile.write(body[i : i + step])

    def _page(self):
        body = b"<!DOCTYPE html><html>Quota exceeded</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


@pytest.fixture
def shop(monkeypatch):
    """A server on this machine; failed transfers are tried again at once."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(transfer, "PAUSE", 0.0)
    server = Shop()
    server.handle_error = lambda *_: None  # a client that hangs up
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def _flipped(content, place):
    changed = bytearray(content)
    changed[place] ^= 4
    return bytes(changed)


DAMAGES = {
    "head": lambda content: _flipped(content, 2),
    "early": lambda content: _flipped(content, len(content) // 5),
    "middle": lambda content: _flipped(content, len(content) // 2),
    "last": lambda content: _flipped(content, -1),
    "cut": lambda content: content[: len(content) // 2],
    "short": lambda content: content[:-1],
    "empty": lambda content: b"",
}


@pytest.fixture(params=DAMAGES.values(), ids=DAMAGES)
def damage(request):
    """Damages a file in one of several ways, whether bits or bytes of it are lost."""

    def do(path):
        path.write_bytes(request.param(path.read_bytes()))

    return do
