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
CROWD = [f"model {i}" for i in range(4)]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Four data sets and a hostile one; a run of each model of the first has a picture."""
    folder = tmp_path_factory.mktemp("page")
    stale = record("mopoe", dataset="wide", level=88, model_version=99)
    wide = [*(record(m, dataset="wide", level=x) for m, x in (("mld", 80), ("mvae", 1))), stale]
    second = record("mvae", dataset="second set", references=())
    crowd = [record(m, dataset="crowd", level=50) for m in CROWD]
    fill(folder / "results", [*toy(), second, *wide, *crowd])
    for run in (toy()[1], toy()[2], toy()[4]):
        picture((folder / "results" / Place.of(run).record).with_suffix(".png"))
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
    assert links.count() == 5
    for i in range(5):
        links.nth(i).click()
        name = links.nth(i).text_content()
        expect_heading(page, name)
        assert " ".join(name.split()) in page.title()
        assert links.nth(i).get_attribute("aria-current") == "page"
        assert page.locator("#datasets a[aria-current]").count() == 1
        assert page.locator("main section").count() == 6


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

    page.locator("#scores .radios").get_by_text("FMD ↓").click()
    page.locator("#scores").get_by_role("button", name="image (joint)").click()
    assert labels(page, "scores") == ["mld", "own model", "mvae", "real examples"]
    page.locator("#scores").get_by_role("button", name="image (joint)").click()
    assert labels(page, "scores") == ["mvae", "own model", "mld", "real examples"]

    page.locator("#runs").get_by_role("button", name="Seed").click()
    assert page.locator("#runs tbody td:nth-child(2)").all_text_contents() == list("00011")


def test_the_first_screen_says_who_is_best(opened):
    page = opened("#/wide")
    first = page.locator("#summary")
    below = ["mopoe (stale)", "real examples"]  # though the stale row has the best numbers
    assert labels(page, "summary") == ["mld", "mvae", *below]
    assert "mopoe" not in first.locator(".leaders").text_content()
    best = first.locator(".leaders tr").nth(1).text_content()
    assert best.startswith("joint") and "mld" in best and "40.0" in best
    assert first.locator(".said").get_by_text("Stale").is_visible()
    for part in (first.locator(".leaders"), first.locator(".scroll tbody tr").first):
        expect(part).to_be_in_viewport()
    given = first.get_by_role("button", name="1 given").first
    given.click()
    assert labels(page, "summary") == ["mld", "mvae", *below]
    given.click()
    assert labels(page, "summary") == ["mvae", "mld", *below]


def test_the_choice_of_models_rules_tables_and_charts(opened):
    page = opened()
    assert len(points(page, 0)) == 3
    folded = page.locator(".models summary")
    folded.click()
    page.get_by_label("Only names with").fill("MVAE own")
    assert labels(page, "scores") == ["mvae", "own model"]
    assert labels(page, "summary") == ["own model", "mvae", "real examples"]
    assert sorted(set(labels(page, "runs"))) == ["mvae", "own model"]
    assert {p.split(",")[0] for p in points(page, 0)} == {"mvae", "own model"}
    page.get_by_role("checkbox", name="mvae").uncheck()
    assert labels(page, "scores") == ["own model"]
    assert {p.split(",")[0] for p in points(page, 1)} == {"own model"}
    assert folded.text_content() == "Models: 1 of 3 shown"
    page.get_by_role("button", name="None").click()
    assert page.locator("#scores").get_by_text("No model is ticked.").is_visible()
    assert page.locator("#charts").get_by_text("No row that is shown").count() == 2
    page.get_by_role("button", name="All").click()
    assert labels(page, "scores") == ["mld", "mvae", "own model"]

    page.locator("#scores").get_by_label("Generated").select_option("sound")
    assert page.locator("#scores th[scope=colgroup]").all_text_contents() == ["sound ←"]


def test_the_address_holds_the_choice(opened):
    page = opened()
    page.locator("#scores .radios").get_by_text("FMD ↓").click()
    assert page.url.endswith("#/toy?metric=fmd")
    page.locator(".models summary").click()
    page.get_by_role("checkbox", name="mvae").uncheck()
    samples = page.locator("#samples")
    samples.get_by_label("Left").select_option("own model")
    samples.get_by_role("combobox", name="Given").select_option("nothing: joint")
    page.get_by_role("link", name="Charts").click()
    link = page.url
    assert labels(page, "scores") == ["mld", "own model", "real examples"]

    other = opened(link[link.index("#") :])
    assert other.url == link
    assert labels(other, "scores") == labels(page, "scores")
    assert other.locator("#scores .radios :checked + span").first.text_content() == "FMD ↓"
    assert other.locator("#charts figcaption").nth(1).text_content().startswith("FMD")
    assert other.locator("#samples").get_by_label("Left").input_value() == "own model"
    assert other.locator("#samples svg").first.get_attribute("viewBox") == "0 0 20 30"
    other.get_by_role("link", name="toy", exact=True).click()  # the data set alone: all of it
    expect(other.locator("#scores tbody th")).to_have_count(3)
    assert other.url.endswith("#/toy")


def test_an_address_of_what_is_not_there_is_followed_as_far_as_it_can_be(opened):
    page = opened("#/toy/nowhere?metric=gone&of=smell&model=mld&model=gone&sample=gone&given=gone")
    assert labels(page, "scores") == ["mld"]
    assert page.locator("#scores .radios :checked + span").first.text_content() == "Coherence ↑"
    assert page.locator("#samples figure").count() == 1
    page = opened("#/toy?model=")
    assert page.locator(".models summary").text_content() == "Models: 0 of 3 shown"


def test_charts_speak_and_are_walked_by_arrow_keys(opened):
    page = opened()
    assert "mld, joint, Coherence 44.5 ± 0.71, FMD 23.2 ± 0.71" in points(page, 0)
    chart = page.locator("#charts figure").nth(1)
    assert len(points(page, 1)) == 9
    first = chart.locator("[role=img]").first
    first.focus()
    told = chart.locator(".readout")
    expect(told).to_have_text(first.get_attribute("aria-label"))
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    said = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert said in points(page, 1) and said != first.get_attribute("aria-label")
    expect(told).to_have_text(said)
    assert chart.locator("[tabindex='0']").count() == 1

    before = points(page, 0)
    page.locator("#charts figure").nth(0).get_by_label("From").select_option("given 1")
    assert page.locator("#charts figure").nth(0).get_by_text("FMD").count()
    assert points(page, 0) != before
    assert all(", given 1," in p for p in points(page, 0))


def test_every_name_stands_in_the_charts_and_on_no_other(opened):
    page = opened("#/crowd")
    for figure in (0, 1):
        points(page, figure)
        names = page.locator("#charts figure").nth(figure).locator(".label text")
        assert sorted(names.all_text_contents()) == CROWD
        boxes = [name.bounding_box() for name in names.all()]
        for i, one in enumerate(boxes):
            for other in boxes[:i]:
                across = abs(one["x"] - other["x"]) < min(one["width"], other["width"])
                assert not (across and abs(one["y"] - other["y"]) < 10)


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


def test_samples_of_two_models_stand_side_by_side(opened):
    page = opened()
    part = page.locator("#samples")
    shown = part.locator("figure svg")
    assert [one.get_attribute("viewBox") for one in shown.all()] == ["20 0 20 30"] * 2
    said = [one.get_attribute("aria-label") for one in shown.all()]
    assert "mld on toy, seed 1, given image" in said[0]
    assert "own model on toy, seed 0, given image" in said[1]  # the best two
    left, right = (one.bounding_box() for one in shown.all())
    assert left["y"] == right["y"] and left["x"] < right["x"]
    given = part.get_by_role("combobox", name="Given")
    given.select_option("nothing: joint")
    assert [one.get_attribute("viewBox") for one in shown.all()] == ["0 0 20 30"] * 2
    given.select_option("all subsets")
    assert shown.first.get_attribute("viewBox") == "0 0 40 30"
    part.get_by_label("Right").select_option("mvae")
    assert "mvae on toy, seed 0" in shown.last.get_attribute("aria-label")
    href = part.locator("image").first.get_attribute("href")
    width = page.evaluate(
        """async href => {
      const image = new Image(); image.src = href; await image.decode(); return image.width;
    }""",
        href,
    )
    assert width == 40
    page.locator(".models summary").click()
    page.get_by_label("Only names with").fill("mvae")
    assert shown.count() == 1
    page.get_by_role("button", name="None").click()
    assert part.get_by_text("No model that is shown has a picture").is_visible()
    page.get_by_role("link", name="second set").click()
    part.get_by_text("No pictures of samples lie beside these records").wait_for()


def test_claims_and_provenance_are_told(opened, site):
    page = opened()
    claim = page.locator("#claims li").first
    assert claim.locator(".verdict").is_visible() and not claim.locator("p").first.is_visible()
    claim.locator("summary").click()
    assert claim.locator("p").first.is_visible()
    for _ in range(2):  # the second time, the address is already that
        page.evaluate("scrollTo(0, 0)")
        page.locator("#scores tbody").get_by_role("link", name="2 seeds").first.click()
        expect(page.locator("#runs")).to_be_in_viewport()
    run = page.locator("#runs tbody tr").first
    for text in ("70", "1,000", "d" * 8, "c" * 8, "torch 2.4", "cpu"):
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
    for i in range(4):  # the first one has the longest of names
        page.locator("#datasets a").nth(i).tap()
        page.locator("#charts [role=img]").first.wait_for()
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        for width in (390, 320):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        # All at once: a chart that is drawn anew for the width is no longer there later.
        widths = page.locator("#charts svg").evaluate_all(
            "all => all.map(chart => chart.getBoundingClientRect().width)"
        )
        assert widths and max(widths) <= width


def test_names_stay_while_a_table_scrolls(opened):
    page = opened(**PHONE)
    table = page.locator("#scores .scroll")
    assert table.evaluate("one => one.scrollWidth > one.clientWidth")
    table.evaluate("one => { one.scrollLeft = 1000; }")
    head = table.locator("tbody th").first
    assert head.bounding_box()["x"] == table.bounding_box()["x"]
    wide = opened(viewport={"width": 1440, "height": 900}).locator("#scores .scroll")
    assert wide.evaluate("one => one.scrollWidth <= one.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_has_contrast(opened, scheme):
    page = opened(color_scheme=scheme)
    contrasts = page.evaluate(
        """() => {
      const probe = document.body.appendChild(document.createElement("p"));
      const light = (colour) => {
        probe.style.color = `var(${colour})`;
        const [r, g, b] = getComputedStyle(probe).color.match(/[0-9.]+/g).map((x) => x / 255)
          .map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
      };
      const hues = [...Array(8).keys()].map((i) => `--hue-${i}`);
      const texts = ["--ink", "--faint", "--link", "--good", "--bad", "--hue-none", ...hues];
      return texts.map((text) => [text, light(text), light("--paper")])
        .map(([text, a, b]) => [text, Math.max(a, b) / Math.min(a, b)]);
    }"""
    )
    assert [(text, c) for text, c in contrasts if c < 4.5] == []
