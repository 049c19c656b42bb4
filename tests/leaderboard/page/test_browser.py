"""The page in headless Chromium: it needs the extra [page-tests] and a Chromium of the system."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from mmbench.leaderboard.page.page import write_site
from mmbench.records.paths import Place
from mmbench.records.store import write

sys.path.insert(0, str(Path(__file__).parent))
from page_records import HOSTILE, fill, hostile, picture, record, toy

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install 'mmbench[page-tests]'"
)
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright",
    reason="needs axe-playwright-python: pip install 'mmbench[page-tests]'",
)
# Not page.wait_for_function: it asks again by eval, which the page forbids.
expect = playwright.expect
expect.set_options(timeout=60_000)
CHROMIUM = os.environ.get("MMBENCH_CHROMIUM") or shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="needs Chromium: apt-get install chromium, or MMBENCH_CHROMIUM=FILE"
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Three data sets and a hostile one; one run of the first has a picture."""
    folder = tmp_path_factory.mktemp("page")
    wide = [record("mld", dataset="wide", level=88), record("mvae", dataset="wide", level=1)]
    second = record("mvae", dataset="second set", references=())
    fill(folder / "results", [*toy(), second, *wide])
    picture((folder / "results" / Place.of(toy()[1]).record).with_suffix(".png"))
    (folder / "results" / "x" / "y").mkdir(parents=True)
    write(hostile(), folder / "results" / "x" / "y" / "0.json")
    page, faults = write_site([folder / "results"], folder / "site")
    assert faults == []
    return page


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        found = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def opened(browser, site):
    """Opens the page: (how the screen is, the address after #) -> the page.

    Whatever the page says on the console, throws, or asks for outside of its folder fails.
    """
    contexts, wrong = [], []

    def open_page(address="#/toy", **screen):
        context = browser.new_context(**(DESK | screen))
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("requestfailed", lambda request: wrong.append(request.url))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(site.parent.as_uri())
                or request.url.startswith("data:")
                or wrong.append(request.url)
            ),
        )
        page.goto(site.as_uri() + address)
        page.wait_for_selector("main h2")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def labels(page, part):
    """The models in the rows of a part's table, from above."""
    return page.locator(f"#{part} tbody th[scope=row] bdi").all_text_contents()


def points(page, figure):
    """What the points of a chart say to a screen reader."""
    chart = page.locator("#charts figure").nth(figure)
    chart.locator("svg").wait_for()
    return [p.get_attribute("aria-label") for p in chart.locator("[role=img]").all()]


def expect_heading(page, name):
    """Waits for a data set's heading, to the very spaces, which `to_have_text` leaves out."""
    heading = page.locator("main h2")
    expect(heading).to_have_text(name)
    assert heading.text_content() == name


def test_every_data_set_is_shown_without_an_error(opened):
    page = opened("")
    links = page.locator("#datasets a")
    assert page.locator("main h2").text_content() == "toy"  # the one with the most runs
    assert links.count() == 4
    for i in range(4):
        links.nth(i).click()
        name = links.nth(i).text_content()
        expect_heading(page, name)
        assert " ".join(name.split()) in page.title()
        assert links.nth(i).get_attribute("aria-current") == "page"
        assert page.locator("#datasets a[aria-current]").count() == 1
        assert page.locator("main section").count() == 5


def test_a_data_set_is_switched_from_the_keyboard_and_has_an_address(opened):
    page = opened()
    link = page.get_by_role("link", name="second set")
    link.focus()
    page.keyboard.press("Enter")
    expect_heading(page, "second set")
    assert link.evaluate("a => a === document.activeElement")
    assert page.get_by_role("status").filter(has_text="second set is shown").count() == 1
    assert set(labels(page, "scores")) == {"mvae"}
    page.go_back()
    expect_heading(page, "toy")
    page.goto(page.url.split("#")[0] + "#/second%20set/claims")
    expect_heading(page, "second set")
    assert page.locator("#claims").is_visible()


def test_tables_sort(opened):
    page = opened()
    joint = page.locator("#scores thead th").filter(has=page.get_by_role("button", name="Joint"))
    joint.get_by_role("button").click()  # higher is better, so the best come first
    assert joint.get_attribute("aria-sort") == "descending"
    assert labels(page, "scores") == ["mld", "own model", "mvae"]
    assert page.evaluate("document.activeElement.textContent").startswith("Joint")
    page.keyboard.press("Enter")
    assert joint.get_attribute("aria-sort") == "ascending"
    assert labels(page, "scores") == ["mvae", "own model", "mld"]

    page.get_by_text("FMD ↓", exact=True).click()
    page.get_by_role("button", name="image (joint)").click()
    assert labels(page, "scores") == ["mld", "own model", "mvae", "real examples"]
    page.get_by_role("button", name="image (joint)").click()
    assert labels(page, "scores") == ["mvae", "own model", "mld", "real examples"]

    page.locator("#runs").get_by_role("button", name="Seed").click()
    assert page.locator("#runs tbody td:nth-child(2)").all_text_contents() == list("00011")


def test_the_filter_rules_tables_and_charts(opened):
    page = opened()
    assert len(points(page, 0)) == 3
    page.get_by_label("Filter by name").fill("MVAE own")
    assert labels(page, "scores") == ["mvae", "own model"]
    assert sorted(set(labels(page, "runs"))) == ["mvae", "own model"]
    assert {p.split(",")[0] for p in points(page, 0)} == {"mvae", "own model"}
    page.get_by_role("checkbox", name="mvae").uncheck()
    assert labels(page, "scores") == ["own model"]
    assert {p.split(",")[0] for p in points(page, 1)} == {"own model"}
    assert page.get_by_text("1 of 3 rows shown").is_visible()
    page.get_by_role("button", name="None").click()
    assert page.get_by_text("0 of 3 rows shown").is_visible()
    page.get_by_role("button", name="All").click()
    assert labels(page, "scores") == ["mvae", "own model"]
    page.get_by_role("checkbox", name="mvae").uncheck()
    page.get_by_label("Filter by name").fill("nothing")
    assert page.locator("#scores").get_by_text("No row matches the filter.").is_visible()
    assert page.locator("#charts").get_by_text("No row that is shown").count() == 2
    page.get_by_label("Filter by name").fill("")
    assert labels(page, "scores") == ["mld", "own model"]

    page.locator("#scores").get_by_label("Generated").select_option("sound")
    assert page.locator("#scores th[scope=colgroup]").all_text_contents() == ["sound ←"]


def test_charts_speak_and_are_walked_by_arrow_keys(opened):
    page = opened()
    assert "mld, joint, Coherence 45.5 ± 0.71, FMD 22.7 ± 0.71" in points(page, 0)
    chart = page.locator("#charts figure").nth(1)
    assert len(points(page, 1)) == 9
    first = chart.locator("[role=img]").first
    first.focus()
    tip = chart.locator("svg > g[aria-label=tip]")
    tip.get_by_text("mld, joint").wait_for()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    said = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert said in points(page, 1) and said != first.get_attribute("aria-label")
    tip.get_by_text(said.split(", Coherence")[0]).wait_for()
    assert chart.locator("[tabindex='0']").count() == 1

    before = points(page, 0)
    page.locator("#charts figure").nth(0).get_by_label("From").select_option("given 1")
    assert page.locator("#charts figure").nth(0).get_by_text("FMD").count()
    assert points(page, 0) != before
    assert all(", given 1," in p for p in points(page, 0))


def test_points_far_apart_lie_within_the_charts(opened):
    page = opened("#/wide")
    for figure in (0, 1):
        assert points(page, figure)
        chart = page.locator("#charts figure").nth(figure)
        frame = chart.locator("svg").first.bounding_box()
        for point in chart.locator("[role=img]").all():
            box = point.bounding_box()
            assert box, point.get_attribute("aria-label")
            for start, length in (("x", "width"), ("y", "height")):
                assert 0 < box[start] + box[length] / 2 - frame[start] < frame[length]


def test_a_picture_shows_the_subset_that_is_picked(opened):
    page = opened()
    part = page.locator("#samples")
    shown = part.locator("figure svg")
    assert shown.get_attribute("viewBox") == "20 0 20 30"
    assert "seed 1, given image" in shown.get_attribute("aria-label")
    part.get_by_role("combobox", name="Given").select_option("nothing: joint")
    assert shown.get_attribute("viewBox") == "0 0 20 30"
    part.get_by_role("combobox", name="Given").select_option("all subsets")
    assert shown.get_attribute("viewBox") == "0 0 40 30"
    href = part.locator("image").get_attribute("href")
    width = page.evaluate(
        """async href => {
      const image = new Image(); image.src = href; await image.decode(); return image.width;
    }""",
        href,
    )
    assert width == 40
    page.get_by_role("checkbox", name="mld").uncheck()
    assert part.get_by_text("No model that is shown has a picture").is_visible()
    page.get_by_role("link", name="second set").click()
    part.get_by_text("No pictures of samples lie beside these records").wait_for()


def test_claims_and_provenance_are_told(opened, site):
    page = opened()
    assert page.locator("#claims li").count() > 0
    for _ in range(2):  # the second time, the address is already that
        page.evaluate("scrollTo(0, 0)")
        page.locator("#scores tbody").get_by_role("link", name="2 seeds").first.click()
        expect(page.locator("#runs")).to_be_in_viewport()
    run = page.locator("#runs tbody tr").first
    for text in ("70", "1,000", "d" * 12, "c" * 12, "torch 2.4", "cpu"):
        assert run.get_by_text(text).count(), text
    assert not run.get_by_text("fit: 1.5").is_visible()
    run.locator("summary").focus()
    page.keyboard.press("Enter")
    assert run.get_by_text("fit: 1.5").is_visible()
    link = run.get_by_role("link").evaluate("a => a.href")
    assert link.startswith("file:") and (site.parents[1] / "results").as_uri() in link


def test_names_of_strangers_are_text(opened):
    page = opened("")
    page.evaluate("void (window.hacked = () => { window.was_hacked = true; })")
    page.locator("#datasets a").first.click()
    expect(page.locator("main h2")).not_to_have_text("toy")
    shown = page.locator("main h2").text_content()
    assert shown.startswith(HOSTILE[:40])
    for title in page.locator("#scores .radios label").all():
        title.click()
    page.locator("#charts [role=img]").first.focus()
    assert page.locator("main img, main script, main iframe").count() == 0
    assert page.evaluate("window.was_hacked") is None
    assert all(
        href.startswith(("#", "http", "../results", "grids/"))
        for href in page.evaluate(
            "[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))"
        )
    )


def test_the_theme_follows_the_system_until_it_is_chosen(opened):
    def background(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page = opened(color_scheme="dark")
    dark = background(page)
    assert page.locator("#theme").text_content() == "Light theme"
    page.locator("#theme").click()
    light = background(page)
    assert dark != light == "rgb(255, 255, 255)"
    page.reload()
    page.wait_for_selector("main h2")
    assert background(page) == light
    page.emulate_media(color_scheme="light")
    page.locator("#theme").click()
    assert background(page) == dark


@pytest.mark.parametrize(
    "screen",
    [DESK | {"color_scheme": "light"}, DESK | {"color_scheme": "dark"}, PHONE],
    ids=["light", "dark", "phone"],
)
def test_the_page_is_accessible(opened, screen):
    page = opened(**screen)
    for name in ("toy", "second set"):
        page.get_by_role("link", name=name, exact=True).click()
        page.locator("#charts [role=img]").first.focus()
        found = axe.Axe().run(page).response["violations"]
        serious = [
            (v["id"], [n["html"] for n in v["nodes"][:3]])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == []


def test_a_phone_scrolls_only_downwards(opened):
    page = opened(**PHONE)
    for i in range(3):
        page.locator("#datasets a").nth(i).tap()
        page.locator("#charts [role=img]").first.wait_for()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 320
        # All at once: a chart that is drawn anew for the width is no longer there later.
        widths = page.locator("#charts svg").evaluate_all(
            "all => all.map(chart => chart.getBoundingClientRect().width)"
        )
        assert widths and max(widths) <= 320
