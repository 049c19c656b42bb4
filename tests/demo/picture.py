"""Draws docs/demo.png: a seven drawn in the demo of a trained run, and what its model draws.

    mmbench run --model mld --dataset mhd-mini
    python tests/demo/picture.py --run results/mhd-mini/mld [--out DIR]

With --out it draws into that folder instead, light and dark, on a desktop's and a phone's screen.
It needs the extras [demo] and [page-tests], and Chromium.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, ViewportSize, sync_playwright

PICTURE = Path(__file__).parents[2] / "docs" / "demo.png"
CHROMIUM = os.environ.get("MMBENCH_CHROMIUM") or shutil.which("chromium")
SCREENS: dict[str, ViewportSize] = {
    "desktop": {"width": 1280, "height": 800},
    "phone": {"width": 390, "height": 844},
}
SEVEN = [(0.28, 0.28), (0.74, 0.28), (0.58, 0.52), (0.48, 0.78)]
"""The corners of its stroke, in parts of the sketchpad's sides."""
PATIENCE_MS = 120_000


def draw(browser: Browser, url: str, size: ViewportSize, dark: bool, path: Path) -> None:
    """Draws a seven on the page as a visitor does, has the rest drawn, and takes a picture."""
    screen = browser.new_page(viewport=size, color_scheme="dark" if dark else "light")
    screen.set_default_timeout(PATIENCE_MS)
    screen.goto(url)
    screen.get_by_label("image is given").check()
    pad = screen.locator(".sketch canvas").first
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box
    corners = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in SEVEN]
    screen.mouse.move(*corners[0])
    screen.mouse.down()
    for corner in corners[1:]:
        screen.mouse.move(*corner, steps=8)
    screen.mouse.up()
    screen.get_by_role("button", name="Draw the rest").click()
    screen.locator(".answer img[alt^=sound]").nth(7).wait_for()
    screen.evaluate("Promise.all([...document.images].map(image => image.decode()))")
    screen.screenshot(path=path, full_page=True, animations="disabled")
    screen.close()
    with Image.open(path) as picture:  # in half of the bytes
        palette = picture.convert("RGB").quantize(256)
    palette.save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", required=True, help="as for `mmbench demo`")
    parser.add_argument("--out", type=Path, help="the folder of pictures of every screen")
    given = parser.parse_args()
    wanted = [(PICTURE, "desktop", False)]
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        themes = {"light": False, "dark": True}
        wanted = [
            (given.out / f"{size}-{theme}.png", size, dark)
            for size in SCREENS
            for theme, dark in themes.items()
        ]
    command = [sys.executable, "-u", "-m", "mmbench", "demo", "--run", given.run]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            found = re.search(r"http\S+(?=;)", server.stdout.readline())
            if not found:
                sys.exit("the demo does not start")
            with sync_playwright() as p:
                browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                for path, size, dark in wanted:
                    draw(browser, found[0], SCREENS[size], dark, path)
                    print(path)
                browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
