import base64
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageColor

from mmbench.cli.main import main
from mmbench.core.data import Dataset, Modality, Split, subsets
from mmbench.core.score import Generated, Score
from mmbench.leaderboard.claims.claims import verdicts
from mmbench.leaderboard.page import pictures as grids
from mmbench.leaderboard.page.data import LONGEST, page_data
from mmbench.leaderboard.page.page import LIBRARIES, SCRIPTS, embedded, html, write_site
from mmbench.leaderboard.summary import summaries
from mmbench.leaderboard.tables.table import tables
from mmbench.media.grid import BAND, sample_grid
from mmbench.media.pictures import PAPER
from mmbench.records.paths import Place
from mmbench.records.record import Declared
from mmbench.records.store import find

sys.path.insert(0, str(Path(__file__).parent))
from page_records import HOSTILE, fill, hostile, picture, record, toy

TEMPLATES = files("mmbench.leaderboard.page") / "templates"
VENDORED = {"d3": "912111098ea99503a6f4967361d2bbdc9dbf58cf9c678c8e27e5b02d1a07f0c1"}
"""The file of d3 7.9.2 in the npm registry."""


class Parsed(HTMLParser):
    """The elements of a page, and the texts of its scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.inside = [], [], False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self.texts.append([tag, dict(attributes), ""])
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.texts[-1][2] += data

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def read(site):
    parsed = Parsed((site / "index.html").read_text(encoding="utf-8"))
    [data] = [text for _, attributes, text in parsed.texts if attributes.get("id") == "data"]
    return parsed, json.loads(data)


@pytest.fixture
def results(tmp_path):
    return fill(tmp_path / "results", toy())


@pytest.fixture
def site(results, tmp_path):
    page, faults = write_site([results], tmp_path / "site")
    assert faults == []
    return page.parent


def test_the_page_is_one_file_and_holds_all_it_needs(site):
    assert [p.name for p in site.iterdir()] == ["index.html"]
    parsed, _ = read(site)
    for tag, attributes in parsed.elements:
        assert not {"src", "srcset", "data", "action", "background"} & set(attributes), tag
        assert not [a for a in attributes if a.startswith("on") or a == "style"], tag
    assert [a["href"] for a in parsed.of("link")] == ["data:,"]
    assert parsed.of("noscript")
    assert {a["href"] for a in parsed.of("a")} == {"#main"}
    assert not parsed.of("base") and not parsed.of("iframe")
    style = (TEMPLATES / "page.css").read_text()
    assert "url(" not in style and "@import" not in style
    ours = "".join((TEMPLATES / name).read_text() for name in SCRIPTS)
    ways = (
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "sendBeacon",
        "EventSource",
        "import(",
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
    )
    assert [way for way in ways if way in ours] == []


def test_the_policy_admits_exactly_what_is_there(site):
    parsed, _ = read(site)
    [policy] = [
        a["content"] for a in parsed.of("meta") if a.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "unsafe" not in policy and "http" not in policy.replace("http-equiv", "")
    hashed = {"script": set(), "style": set()}
    for tag, attributes, text in parsed.texts:
        if attributes.get("type") != "application/json":
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            hashed[tag].add(f"'sha256-{digest}'")
    assert set(rules["script-src"].split()) == hashed["script"]
    assert set(rules["style-src"].split()) == hashed["style"]


def test_the_libraries_are_the_published_ones_and_their_licences_stay_with_them(site):
    page = (site / "index.html").read_text(encoding="utf-8")
    for name in LIBRARIES:
        code = (TEMPLATES / "vendor" / f"{name}.min.js").read_bytes()
        assert hashlib.sha256(code).hexdigest() == VENDORED[name]
        assert b"</script" not in code and b"<!--" not in code
        assert (TEMPLATES / "vendor" / f"{name}.LICENSE").read_text() in page


def test_every_number_of_the_tables_is_there(results, site):
    _, data = read(site)
    [dataset] = data["datasets"]
    assert dataset["name"] == "toy"
    expected = tables(list(find(results).values()))
    assert [t["title"] for t in dataset["tables"]] == [
        t.title.removeprefix("toy: ") for t in expected
    ]
    for shown, table in zip(dataset["tables"], expected, strict=True):
        assert [c["title"] for c in shown["columns"]] == [c.title for c in table.columns]
        assert shown["footnotes"] == list(table.footnotes)
        assert shown["notes"] == [*table.notes, *table.provenance]
        for shown_line, line in zip(shown["rows"], table.lines, strict=True):
            assert shown_line["label"] == line.row.label
            assert [c["value"] for c in shown_line["cells"]] == [
                c.mean.value and pytest.approx(c.mean.value, rel=1e-5) for c in line.cells
            ]
            assert [c["rank"] for c in shown_line["cells"]] == [c.rank for c in line.cells]
            if line.row.seeds:
                row = dataset["rows"][shown_line["row"]]
                assert (row["label"], row["seeds"]) == (line.row.label, list(line.row.seeds))
            else:
                assert shown_line["row"] is None


def test_the_summary_is_that_of_the_command(results, site):
    _, data = read(site)
    shown = data["datasets"][0]["summary"]
    (expected,) = summaries(list(find(results).values()))
    assert [(c["group"], c["title"]) for c in shown["columns"]] == [
        (p.heading, p.title) for p in expected.parts
    ]
    assert [
        [line["label"], *(cell["text"] for cell in line["cells"]), line["seeds"]]
        for line in shown["rows"]
    ] == [
        [line.row.label, *(c.text for c in line.cells[: len(expected.parts)]), len(line.row.seeds)]
        for line in expected.lines
    ]
    assert [line["seconds"] for line in shown["rows"]][:3] == [120, 120, 120]
    assert shown["notes"] == list(expected.notes)


def test_a_metric_that_only_records_know_has_its_title_and_direction():
    own = Declared(1, "Own score", "lower", "dB")
    scores = [Score("own", given, "image", 1.0, 9) for given in ((), ("sound",))]
    records = [
        record(m, scores=scores, metrics={"own": own}, references=()) for m in ("mld", "mvae")
    ]
    (dataset,) = page_data(records, {}, {})["datasets"]
    (table,) = dataset["tables"]
    assert (table["name"], table["better"]) == ("Own score ↓", "lower")
    assert table["title"].startswith("Own score (dB) ↓")
    assert {c["group"] for c in dataset["summary"]["columns"]} == {"Own score (dB) ↓"}
    (curve,) = dataset["charts"]["curves"]
    told = {"metric": "own", "title": "Own score", "unit": "dB", "better": "lower"}
    assert curve["y"] == told


def test_stale_rows_are_marked_and_have_no_point():
    records = [record("mld"), record("mopoe", level=80, model_version=99)]
    (dataset,) = page_data(records, {}, {})["datasets"]
    assert [row["stale"] for row in dataset["rows"]] == [False, True]
    points = [p for c in dataset["charts"]["curves"] for s in c["series"] for p in s["points"]]
    assert points and {p["row"] for p in points} == {0}


def test_a_hundred_and_fifty_records_make_less_than_a_megabyte():
    several = [record(f"model {i}", seed, level=9 * i + 5) for i in range(10) for seed in range(3)]
    page, data = len(html({})), len(embedded(page_data(several, {}, {})))
    assert page + 5 * data < 1_000_000  # as many on each of five data sets


def test_cells_are_written_as_the_tables_write_them(site):
    _, data = read(site)
    coherence = data["datasets"][0]["tables"][0]
    by_label = {row["label"]: row["cells"][0] for row in coherence["rows"]}
    assert (by_label["mld"]["text"], by_label["mld"]["spread"]) == ("44.5", "± 0.7")
    assert (by_label["own model"]["text"], by_label["own model"]["spread"]) == ("30.0", "")
    assert by_label["mld"]["rank"] == 1


def test_every_run_says_where_it_comes_from(results, site):
    _, data = read(site)
    runs = {
        (data["datasets"][0]["rows"][run["row"]]["label"], run["seed"]): run
        for run in data["datasets"][0]["runs"]
    }
    assert set(runs) == {(r.model, r.seed) for r in toy()}
    for r in toy():
        run = runs[r.model, r.seed]
        assert run["minutes"] == 2.0 and run["stages"] == {"fit": 1.5, "score": 0.5}
        assert (run["evaluations"], run["parameters"]) == (70, 1000)
        assert (run["protocol"], run["data"]) == (r.protocol_hash, r.data)
        assert (run["device"], run["commit"]) == (r.device, r.commit)
        assert run["versions"] == r.versions
        assert (site / unquote(run["link"])).resolve() == (results / Place.of(r).record).resolve()


def test_claims_are_those_of_the_records(results, site):
    _, data = read(site)
    found = [(c["name"], c["state"], tuple(c["evidence"])) for c in data["datasets"][0]["claims"]]
    expected = verdicts(list(find(results).values()))
    assert found == [(claim.name, v.state, v.evidence) for _, claim, v in expected]
    assert found


def test_charts_show_means_over_targets_subsets_and_seeds(site):
    _, data = read(site)
    [dataset] = data["datasets"]
    curves = {c["y"]["metric"]: c for c in dataset["charts"]["curves"]}
    assert set(curves) == {"coherence", "fmd"}  # nothing has a FID
    labels = [row["label"] for row in dataset["rows"]]

    def values(series, key):
        return {(labels[p["row"]], p["given"]): p[key]["mean"] for p in series["points"]}

    over_all, image = curves["coherence"]["series"][:2]
    assert over_all["target"] == "" and image["target"] == "image"
    assert values(over_all, "y")["mld", 0] == pytest.approx(44.5)
    assert values(over_all, "y")["mld", 1] == pytest.approx(92.5)  # 88 + 3 + mean(0, 1, 2) + 0.5
    assert values(image, "y")["own model", 2] == pytest.approx(66)
    [plane] = dataset["charts"]["planes"]
    assert (plane["x"]["metric"], plane["y"]["metric"]) == ("fmd", "coherence")
    assert plane["x"]["better"] == "lower"
    points = plane["series"][0]
    assert values(points, "x")["own model", "joint"] == pytest.approx(2000 / 60, rel=1e-5)
    assert ("mvae", "conditional") in values(points, "x")


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js")
def test_models_that_are_shown_have_hues_of_their_own():
    count, hues = 20, 8
    models = [record(f"model {i:02}", level=85 - 4 * i) for i in range(count)]  # the best first
    [dataset] = page_data(models, {}, {})["datasets"]
    draw = random.Random(0)
    shown = [draw.sample(range(count), draw.randint(1, count)) for _ in range(200)]
    shown += [[0, 8], [0, 8, 1, 9, 16], [*range(8, 16)], [*range(3, 12)], [*range(count)]]
    asked = [[sorted(of), [i for i in range(count) if i not in of]] for of in shown]
    script = f"""const d3 = require({json.dumps(str(TEMPLATES / "vendor" / "d3.min.js"))});
{(TEMPLATES / "models.js").read_text()}
const found = {json.dumps(asked)}.map(([shown, hidden]) =>
  shown.map(hues({json.dumps(dataset)}, {{ hidden: new Set(hidden) }})));
console.log(JSON.stringify(found));"""
    done = subprocess.run(["node"], input=script, capture_output=True, text=True, check=True)
    for (rows, _), colours in zip(asked, json.loads(done.stdout), strict=True):
        assert set(colours[hues:]) <= {"var(--hue-none)"}
        own = dict(zip(rows[:hues], colours, strict=False))
        assert len(set(own.values())) == len(own)
        assert set(own.values()) <= {f"var(--hue-{i})" for i in range(hues)}
        for row, colour in own.items():  # it stays, but where a better one has it
            if not any(other % hues == row % hues for other in own if other < row):
                assert colour == f"var(--hue-{row % hues})"


def test_equal_records_make_equal_bytes(results, site, tmp_path):
    first = (site / "index.html").read_bytes()
    other = fill(tmp_path / "other", reversed(toy()))
    write_site([other, results], tmp_path / "again", records_url="../results")
    write_site([results], tmp_path / "site")
    assert (site / "index.html").read_bytes() == first
    assert (tmp_path / "again" / "index.html").read_bytes() == first


def test_folders_are_merged_and_their_records_found(tmp_path):
    a = fill(tmp_path / "a", toy()[:2])
    b = fill(tmp_path / "deep" / "b", [*toy()[1:], record(dataset="else")])
    page, _ = write_site([a, b], tmp_path / "site")
    _, data = read(page.parent)
    assert [d["name"] for d in data["datasets"]] == ["else", "toy"]
    links = [run["link"] for d in data["datasets"] for run in d["runs"]]
    assert all((tmp_path / "site" / unquote(link)).is_file() for link in links)
    assert len(links) == 6

    fill(b, [record("mld", 0, level=89)])
    with pytest.raises(ValueError, match="different records of one run"):
        write_site([a, b], tmp_path / "site")


def test_records_may_be_elsewhere(results, tmp_path):
    write_site([results], tmp_path / "site", "https://host/records/")
    _, data = read(tmp_path / "site")
    links = {run["link"] for run in data["datasets"][0]["runs"]}
    assert f"https://host/records/{Place.of(toy()[0]).record.as_posix()}" in links
    assert any("own%20model" in link for link in links)
    for url in ("javascript:alert(1)//", "data:text/html,x", "file:///etc"):
        with pytest.raises(ValueError, match="no place for records"):
            write_site([results], tmp_path / "site", url)


def test_a_name_stays_a_text(tmp_path):
    folder = fill(tmp_path / "results", toy())
    (folder / "x" / "y").mkdir(parents=True)
    from mmbench.records.store import write

    write(hostile(), folder / "x" / "y" / "0.json")
    plain, _ = write_site([fill(tmp_path / "plain", toy())], tmp_path / "plain site")
    page, _ = write_site([folder], tmp_path / "site")
    text = page.read_text(encoding="utf-8")
    before = Parsed(plain.read_text(encoding="utf-8")).elements
    assert [tag for tag, _ in Parsed(text).elements] == [tag for tag, _ in before]
    assert "onerror=hacked" not in re.sub(r'<script type="application/json".*?</script>', "", text)
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert data.isascii() and not set("<>&") & set(data)
    assert "\\u202e" not in data and "\\ud800" not in data
    names = [d["name"] for d in json.loads(data)["datasets"]]
    assert any(name.startswith("</script><img src=x onerror=hacked()><!--") for name in names)
    [foreign] = [d for d in json.loads(data)["datasets"] if d["name"] != "toy"]
    assert foreign["about"] is None
    # Its file lies where no run puts it, so nothing is looked up or linked by its names.
    assert [run["link"] for run in foreign["runs"]] == [None]
    assert [run["evaluations"] for run in foreign["runs"]] == [None]


def test_data_cannot_end_its_element():
    for text in (HOSTILE, "<!--<script>", "]]>", "\u2028\u2029", "\x00"):
        inside = embedded({"x": text})
        assert json.loads(inside) == {"x": text}
        assert not set("<>&\u2028\u2029\x00") & set(inside)
    with pytest.raises(ValueError):
        embedded({"x": float("nan")})


def test_endless_names_are_cut():
    data = page_data([record("m" * 100_000, dataset="toy")], {}, {})
    assert len(data["datasets"][0]["rows"][0]["label"]) == LONGEST
    assert len(html(data)) < 700_000


def test_a_text_that_looks_like_a_place_of_the_template_is_not_filled():
    assert "{{policy}}" in html(page_data([record("{{policy}} {{style}}")], {}, {}))


@pytest.mark.parametrize("mode", ["RGB", "P"])  # in full colour, or with a palette: smaller
def test_pictures_lie_beside_the_page(results, tmp_path, mode):
    first, second = (results / Place.of(r).record for r in toy()[:2])
    picture(first.with_suffix(".png"), mode=mode)
    second.with_suffix(".png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    page, faults = write_site([results], tmp_path / "site")
    assert [str(second.with_suffix(".png")) in fault for fault in faults] == [True]
    _, data = read(page.parent)
    [grid] = [run["grid"] for run in data["datasets"][0]["runs"] if run["grid"]]
    assert (grid["width"], grid["height"]) == (40, 30)
    assert [p["given"] for p in grid["panels"]] == [[], ["image"]]
    assert [p["box"] for p in grid["panels"]] == [[0, 0, 20, 30], [20, 0, 20, 30]]
    copy = page.parent / grid["file"]
    assert copy.read_bytes() == first.with_suffix(".png").read_bytes()
    assert sorted(p.name for p in page.parent.iterdir()) == ["grids", "index.html"]


def test_a_copy_of_a_record_without_a_picture_hides_none(tmp_path):
    a, b = (fill(tmp_path / name, [record()]) for name in "ab")
    picture((b / Place.of(record()).record).with_suffix(".png"))
    for folders in ([a, b], [b, a]):
        page, faults = write_site(folders, tmp_path / "site")
        (run,) = read(page.parent)[1]["datasets"][0]["runs"]
        assert run["grid"] and not faults


def test_the_picture_of_a_run_says_where_its_panels_lie(tmp_path):
    pixels = {m: torch.full((4, 1, 8, 8), 99, dtype=torch.uint8) for m in "ab"}
    split = Split(pixels)
    data = Dataset("toy", tuple(Modality(m, "image", (1, 8, 8)) for m in "ab"), split, split)
    rows = torch.arange(4)
    shown = [Generated(given, split.batch(rows), rows) for given in subsets("ab")]
    sample_grid(tmp_path / "x.png", data, shown, examples=4)
    grid = grids.read(tmp_path / "x.png")
    assert [p.given for p in grid.panels] == subsets("ab")
    with Image.open(tmp_path / "x.png") as picture:
        paper, band = (ImageColor.getrgb(c) for c in (PAPER, BAND))
        for panel in grid.panels:
            left, top, width, height = panel.box
            edge = [picture.getpixel((left + width - 1, top + y)) for y in range(height)]
            assert (band in edge) == bool(panel.given)
            outside = picture.crop((left + width, top, left + width + 20, top + height))
            assert outside.getcolors() == [(20 * height, paper)]


@pytest.mark.parametrize(
    "panels",
    [
        [{"given": ["image"], "box": [0, 0, 41, 30]}],
        [{"given": ["image"], "box": [-1, 0, 20, 30]}],
        [{"given": ["image"], "box": [0, 0, 0, 30]}],
        [{"given": ["image"], "box": [0, 0, 10.5, 30]}],
        [{"given": ["image"], "box": [0, 0, 20]}],
        [{"given": [1], "box": [0, 0, 20, 30]}],
        [{"given": 1, "box": [0, 0, 20, 30]}],
        [{"box": [0, 0, 20, 30]}],
        [1],
        1,
        None,
        {"a": 1},
    ],
)
def test_a_picture_with_impossible_panels_is_shown_whole(panels, tmp_path):
    path = picture(tmp_path / "x.png", json.loads(json.dumps(panels)) if panels else panels)
    if panels is None:
        path = tmp_path / "plain.png"
        Image.new("RGB", (40, 30)).save(path)
    grid = grids.read(path)
    assert (grid.width, grid.height, grid.panels) == (40, 30, ())


def test_a_damaged_animation_is_read_without_a_warning(tmp_path, recwarn):
    whole, chunk = picture(tmp_path / "whole.png").read_bytes(), b"acTL" + bytes(8)
    size, check = len(chunk[4:]).to_bytes(4, "big"), zlib.crc32(chunk).to_bytes(4, "big")
    (tmp_path / "x.png").write_bytes(whole[:33] + size + chunk + check + whole[33:])
    assert grids.read(tmp_path / "x.png").width == 40
    assert not recwarn.list


def test_a_picture_that_cannot_be_shown_is_told(tmp_path, monkeypatch):
    whole = picture(tmp_path / "whole.png").read_bytes()
    cases = {"cut.png": whole[:-20], "empty.png": b"", "text.png": b"<svg onload=alert(1)>"}
    cases["bare.png"] = whole[:33] + whole[-12:]  # the header and the end
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} is not a whole PNG"):
            grids.read(tmp_path / name)
    (tmp_path / "link.png").symlink_to(tmp_path / "whole.png")
    with pytest.raises(ValueError, match="link"):
        grids.read(tmp_path / "link.png")
    with pytest.raises(ValueError, match="link or a folder"):
        grids.read(tmp_path)
    monkeypatch.setattr(grids, "PIXELS", 40 * 30 - 1)
    with pytest.raises(ValueError, match="40 x 30 pixels"):
        grids.read(tmp_path / "whole.png")
    monkeypatch.setattr(grids, "LARGEST", 10)
    with pytest.raises(ValueError, match="bytes, expected at most 10"):
        grids.read(tmp_path / "whole.png")


def test_the_command(results, tmp_path):
    out = tmp_path / "site"
    done = CliRunner().invoke(main, ["page", "--results", str(results), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert done.output == f"wrote {out / 'index.html'}\n"
    again = CliRunner().invoke(main, ["page", "--results", str(tmp_path / "none")])
    assert again.exit_code == 1 and "there is no folder" in again.output
    damaged = results / "toy" / "mld" / "9.json"
    damaged.write_text("{")
    kept = (out / "index.html").read_bytes()
    refused = CliRunner().invoke(main, ["page", "--results", str(results), "--out", str(out)])
    assert refused.exit_code == 1 and os.path.basename(damaged) in refused.output
    assert (out / "index.html").read_bytes() == kept


def test_the_templates_are_in_the_wheel():
    import tomllib

    settings = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["mmbench.leaderboard.page"]
    root = Path(__file__).parents[3] / "leaderboard" / "page"
    packed = {path for pattern in patterns for path in root.glob(pattern)}
    assert {p for p in (root / "templates").rglob("*") if p.is_file()} <= packed
