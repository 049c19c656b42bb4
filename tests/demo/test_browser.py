"""The demo in headless Chromium: it needs the extra [page-tests] and a Chromium of the system."""

import os
import shutil
import socket
from types import SimpleNamespace

import pytest

from mmbench.demo.page import page, serve

HOW = "pip install 'mmbench[page-tests]'"
pytest.importorskip("gradio", reason=f"needs gradio: {HOW}")
playwright = pytest.importorskip("playwright.sync_api", reason=f"needs playwright: {HOW}")
expect = playwright.expect
CHROMIUM = os.environ.get("MMBENCH_CHROMIUM") or shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="needs Chromium: apt-get install chromium, or MMBENCH_CHROMIUM=FILE"
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PHONE = {"width": 320, "height": 640}


@pytest.fixture
def asked(monkeypatch):
    """The hosts that this process looks up."""
    hosts, look_up = set(), socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: hosts.add(host) or look_up(host, *a, **k)
    )
    return hosts


@pytest.fixture
def opened(trained, asked):
    """The demo, opened on a screen; it says nothing, and asks for nothing from elsewhere."""
    blocks = page(trained)
    url, wrong = serve(blocks, "127.0.0.1", None), []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        screen = browser.new_page(viewport=PHONE)
        screen.set_default_timeout(60_000)
        own = (url, "data:", "blob:")
        screen.on("request", lambda r: r.url.startswith(own) or wrong.append(r.url))
        screen.on("pageerror", lambda error: wrong.append(str(error)))
        screen.goto(url)
        yield screen
        browser.close()
    blocks.close(verbose=False)
    assert wrong == []
    assert asked <= {"127.0.0.1", "localhost", None}


def test_a_visitor_draws_and_sees_the_rest(opened):
    expect.set_options(timeout=60_000)
    shown = opened.locator(".answer")
    opened.get_by_label("digit is given").check()
    pad = opened.locator(".sketch canvas").first
    opened.get_by_role("button", name="Draw the rest").click()
    expect(shown.get_by_role("alert")).to_contain_text("digit")  # nothing is drawn yet

    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    for across in (0.4, 0.5):  # the second stroke keeps the first
        x = box["x"] + across * box["width"]
        opened.mouse.move(x, box["y"] + 0.2 * box["height"])
        opened.mouse.down()
        opened.mouse.move(x, box["y"] + 0.8 * box["height"], steps=3)
        opened.mouse.up()
    opened.get_by_label("path is given").check()  # which has no control of its own
    opened.get_by_label("number of a test example").fill("2")
    opened.get_by_role("button", name="Draw the rest").click()
    expect(shown.locator("img[alt^=sound]")).to_have_count(8)
    expect(shown.locator("audio")).to_have_count(8)
    assert shown.get_by_role("alert").count() == 0
    assert shown.locator("img[alt^=path]").count() == 0
    strokes = shown.locator("img[alt=given-digit]").evaluate(
        """async img => {
          await img.decode();
          const pen = new OffscreenCanvas(16, 16).getContext("2d");
          pen.drawImage(img, 0, 0);
          return [...pen.getImageData(0, 8, 16, 1).data].filter((_, i) => i % 4 == 0);
        }"""
    )
    left, right = strokes[6], strokes[8]
    assert min(left, right) > 100 and max(strokes[:4] + strokes[12:]) < 30
    assert opened.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_in_the_dark_plots_and_players_are_dark_and_pictures_are_as_drawn(opened):
    opened.emulate_media(color_scheme="dark")
    opened.reload()
    opened.get_by_role("button", name="Draw the rest").click()
    expect(opened.locator(".answer audio")).to_have_count(8, timeout=60_000)
    computed = "(shown, name) => getComputedStyle(shown)[name]"
    style = lambda place, name: opened.locator(f".answer {place}").first.evaluate(computed, name)
    assert style("img[alt^=path]", "filter").startswith("invert(1)")
    assert {style(f"img[alt^={m}]", "filter") for m in ("digit", "mask", "sound")} == {"none"}
    assert style("audio", "colorScheme") == "dark"


def test_all_kinds_have_controls(trained):
    kinds = [c.__class__.__name__ for c in page(trained).blocks.values()]
    assert {"HTML", "Audio", "Textbox", "CheckboxGroup", "File"} <= set(kinds)


def test_a_port_that_is_taken_is_a_sentence(trained):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} of 127.0.0.1"):
            serve(page(trained), "127.0.0.1", port)
    blocks = SimpleNamespace(launch=lambda **_: open("/nowhere/at/all"))
    with pytest.raises(OSError, match=r"no port of 127\.0\.0\.1"):
        serve(blocks, "127.0.0.1", None)
