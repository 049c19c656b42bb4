import json
import math
from dataclasses import replace

import factory
import pytest
from click.testing import CliRunner
from measured import MEASURED, today

from mmbench.cli.main import main
from mmbench.core.score import Score
from mmbench.leaderboard.check.check import changes, compare, report, summary
from mmbench.leaderboard.check.reference import load, of_records, parsed, write
from mmbench.leaderboard.submissions.collection import add
from mmbench.records.strict import LARGEST

OURS = [today(r) for r in MEASURED]
JUDGE = "toy/image classifier, test accuracy 99.0 %, sha256:0123456789abcdef"


def coherence(value, given=("sound",), n=1000, extractor=JUDGE, **rest):
    return Score("coherence", given, "image", value, n, extractor, **rest)


def fmd(value, **rest):
    return Score("fmd", ("sound",), "image", value, 1000, JUDGE, **rest)


def record(seed, *scores, model="a", lr=1.0, **rest):
    protocol = {"modalities": {"image": {}, "sound": {}}, "model": {"lr": lr}}
    return factory.record(model, seed, scores, protocol, **rest)


def reference(*values, tolerances=None, **rest):
    records = [record(i, coherence(x), **rest) for i, x in enumerate(values)]
    return of_records(records, tolerances)


def differences(was, now, tolerances=None, **rest):
    return [d.what for d in compare(was, now, tolerances, **rest).differences]


# Tolerances


def test_the_tolerance_from_seeds_is_students_interval():
    was = reference(90.0, 92.0, 94.0)  # 92 ± 2; t of 2 degrees of freedom at 99.5 % is 9.9248
    edge = 9.9248 * 2 * math.sqrt(1 / 3 + 1)
    assert differences(was, reference(92 + edge - 0.01)) == []
    assert differences(was, reference(92 - edge + 0.01)) == []
    (what,) = differences(was, reference(92 + edge + 0.01))
    assert what == "was 92, is 114.93 (+22.93), tolerance 22.92: 1.0 tolerances off"
    three = 9.9248 * 2 * math.sqrt(1 / 3 + 1 / 3)  # a mean of three may stray less
    assert differences(was, reference(*[92 + three - 0.01] * 3)) == []
    assert len(differences(was, reference(*[92 + three + 0.01] * 3))) == 1


def test_deviations_are_pooled_over_given_modalities_alone():
    was = of_records(
        [
            record(i, coherence(46.0 + 4 * i), coherence(50.0, given=()), fmd(5 + 0.001 * i))
            for i in range(3)
        ]
    )
    tolerance = 9.9248 * math.sqrt((16 + 0) / 2) * math.sqrt(1 / 3 + 1)
    for value, found in ((50 + tolerance - 0.01, 0), (50 + tolerance + 0.01, 1)):
        now = of_records([record(0, coherence(50.0), coherence(value, given=()), fmd(5.0))])
        assert len(differences(was, now)) == found
    now = of_records([record(0, coherence(50.0), coherence(50.0, given=()), fmd(5.1))])
    assert len(differences(was, now)) == 1  # another metric's deviation lends it nothing


def test_seeds_with_the_same_count_of_samples_leave_room_for_one():
    was = of_records([record(i, coherence(8.7, n=500), fmd(5.0)) for i in range(3)])
    tolerance = 9.9248 * 100 / 500 * math.sqrt(1 / 3 + 1)
    for value, found in ((8.7 + tolerance - 0.01, 0), (8.7 + tolerance + 0.01, 1)):
        now = of_records([record(0, coherence(value, n=500), fmd(5.0))])
        assert len(differences(was, now)) == found
    (what,) = differences(was, of_records([record(0, coherence(8.7, n=500), fmd(5.1))]))
    assert what == "was 5, is 5.1 (+0.1), tolerance 0: expected to be equal"  # no count


@pytest.mark.parametrize("dataset", ["mhd-mini", "polymnist-mini"])
def test_seeds_of_ours_rarely_alarm(dataset):
    compared = alarms = 0
    groups = {}
    for r in OURS:
        if r.dataset == dataset:
            groups.setdefault((r.model, r.protocol_hash), []).append(r)
    for of in groups.values():
        for i, r in enumerate(of):
            others = of_records(of[:i] + of[i + 1 :])
            found = compare(others, of_records([r]))
            compared += found.compared
            alarms += len(found.differences)
    assert compared > 400
    assert alarms / compared < 0.01


@pytest.mark.parametrize(
    ("tolerance", "within", "beyond"),
    [(2, 92.0, 92.1), ("2", 88.0, 87.9), ("10%", 99.0, 99.1), ("0", 90.0, 90.01)],
)
def test_a_tolerance_that_is_given_counts_instead(tolerance, within, beyond):
    for was in (reference(80.0, 100.0), reference(90.0)):
        told = {"coherence": tolerance}
        assert differences(was, reference(within), told) == []
        assert len(differences(was, reference(beyond), told)) == 1
        kept = replace(was, tolerances=told)
        assert differences(kept, reference(within)) == []
        assert len(differences(kept, reference(beyond))) == 1
    assert (
        differences(
            replace(was, tolerances={"coherence": 0.0}), reference(91.0), {"coherence": 2.0}
        )
        == []
    )


def test_one_seed_has_no_deviation_and_must_come_again():
    assert differences(reference(90.0), reference(90.0)) == []
    found = compare(reference(90.0), reference(90.1))
    assert [d.what for d in found.differences] == [
        "was 90, is 90.1 (+0.1), tolerance 0: expected to be equal"
    ]
    assert "one seed has no deviation, so that its scores must be equal" in report(found)


@pytest.mark.parametrize("tolerance", [-1, "x", "-2%", "", "nan", math.inf, "%"])
def test_what_is_no_tolerance_is_refused(tolerance):
    with pytest.raises(ValueError, match=r"the tolerance of fid is .*, expected a number"):
        parsed("fid", tolerance)


def test_a_tolerance_of_a_metric_that_nobody_measured_is_refused():
    with pytest.raises(ValueError, match="no score is of the metric 'coherance'; did you mean"):
        compare(reference(1.0), reference(1.0), {"coherance": 1})


# What is not compared


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        (reference(90.0, lr=2.0), "missing in the results: not compared with another protocol ("),
        (
            reference(90.0, data="e" * 64),
            "missing in the results: not compared with other "
            "examples (data dddddddd, there eeeeeeee)",
        ),
        (reference(90.0, model="b"), "missing in the results; 1 scores"),
        (of_records([record(0)]), "missing in the results"),
        (
            of_records([record(0, coherence(90.0, n=500))]),
            "not compared: was of 1,000 samples, is of 500",
        ),
        (
            of_records([record(0, coherence(90.0, extractor="other"))]),
            f"not compared: was measured with {JUDGE}, is with other",
        ),
        (of_records([record(0, coherence(None, reason="no weights"))]), "was 90, is not computed"),
        (of_records([record(0, coherence(90.0), fmd(5.0))]), "new: 5"),
        (
            of_records([record(0, coherence(90.0)), record(0, fmd(5.0), model="b")]),
            "not in the reference; 1 scores",
        ),
    ],
)
def test_what_has_no_like_is_named_and_never_compared(now, sentence):
    assert any(what.startswith(sentence) for what in differences(reference(90.0), now))
    assert compare(reference(90.0), reference(90.0)).differences == ()


def test_another_network_is_compared_when_told_to_with_a_remark():
    now = of_records([record(0, coherence(95.0, extractor="other"))])
    found = compare(reference(90.0, 91.0), now, across_extractors=True)
    assert (found.compared, found.differences) == (1, ())
    assert "1 scores were measured with another network than the reference's" in report(found)
    far = of_records([record(0, coherence(9.0, extractor="other"))])
    assert len(differences(reference(90.0), far, {"coherence": 2}, across_extractors=True)) == 1


def test_neither_computed_is_no_difference():
    absent = of_records([record(0, fmd(None, reason="no weights"))])
    assert compare(absent, absent).compared == 0
    assert compare(absent, absent).differences == ()
    none = [Score("fmd", ("sound",), "image", None, 0, reason="no weights")]  # nor a network
    assert compare(absent, of_records([record(0, *none)])).differences == ()


@pytest.mark.parametrize("changed", [coherence(90.0, n=500), coherence(90.0, extractor="other")])
def test_seeds_measured_differently_have_no_mean(changed):
    with pytest.raises(ValueError, match=r"the seeds of a on toy have coherence of image by diff"):
        of_records([record(0, coherence(90.0)), record(1, changed)])


def test_the_farthest_off_comes_first_and_all_are_counted():
    was = of_records([record(0, coherence(50.0), fmd(10.0), coherence(50.0, given=()))])
    now = of_records([record(0, coherence(51.5), fmd(20.0), coherence(50.5, given=()))])
    found = compare(was, now, {"coherence": 1, "fmd": 2})
    assert [d.score for d in found.differences] == ["fmd image ← sound", "coherence image ← sound"]
    assert [d.off for d in found.differences] == pytest.approx([5, 1.5])
    assert summary(found) == "1 of 3 scores compared are within their tolerance, 2 beyond it"
    title, *lines = report(found).splitlines()
    assert title.startswith("toy, a, protocol ")
    assert [line.split("  was")[0].strip() for line in lines] == [
        d.score for d in found.differences
    ]


def test_a_hostile_name_drives_no_terminal():
    was = reference(90.0, model="a\x1b[2J\n# x")
    assert "\x1b" not in report(compare(was, reference(80.0)))
    assert len(report(compare(was, reference(80.0))).splitlines()) == 4


# The file


def test_a_reference_comes_back_and_is_one_score_a_line(tmp_path):
    path = tmp_path / "reference.json"
    whole = of_records(OURS, {"coherence": 2.0, "fmd": "10%"})
    write(whole, path)
    assert load(path) == whole
    text = path.read_text()
    scores = sum(len(row.scores) for row in whole.rows)
    assert sum('"mean"' in line for line in text.splitlines()) == scores
    write(of_records(reversed(OURS), whole.tolerances), path)
    assert path.read_text() == text  # whatever the order of the records
    assert json.loads(text)["tolerances"]["fid"] == "seeds"


def test_a_reference_may_be_larger_than_a_record(tmp_path, monkeypatch):
    path = tmp_path / "reference.json"
    rows = [replace(reference(50.0).rows[0], model="m" * 900 + str(i)) for i in range(4000)]
    whole = replace(reference(50.0), rows=tuple(rows))
    write(whole, path)
    assert path.stat().st_size > LARGEST
    assert load(path) == whole
    monkeypatch.setattr("mmbench.leaderboard.check.reference.LARGEST", LARGEST)
    with pytest.raises(ValueError, match="it has more than 4,194,304 bytes"):
        load(path)


def test_what_is_written_is_within_a_tolerance_of_nothing_of_what_it_is_of(tmp_path):
    path = tmp_path / "reference.json"
    whole = of_records(OURS)
    write(whole, path)
    metrics = {s.metric for row in whole.rows for s in row.scores}
    assert compare(load(path), whole, dict.fromkeys(metrics, 0.0)).differences == ()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: f.update(schema=2), "schema is 2, expected 1"),
        (lambda f: f.update(tolerances={"fid": -1}), "the tolerance of fid is -1, expected"),
        (lambda f: f.update(tolerances={"fid": None}), "tolerances['fid'] is null, expected a"),
        (lambda f: f["rows"][0].pop("data"), "rows[0] has no field 'data'"),
        (lambda f: f["rows"][0]["scores"][0].update(mean="1"), "rows[0].scores[0].mean is '1'"),
        (lambda f: f["rows"][0]["scores"][0].update(means=1), "did you mean 'mean'?"),
        (lambda f: f["rows"][0].update(seeds=[0.5], data=1), "and 1 more of its values are wrong"),
        (lambda f: f["rows"].append(f["rows"][0]), "occurs twice"),
        (lambda f: f["rows"][0]["scores"].append(f["rows"][0]["scores"][0]), "occurs twice"),
    ],
)
def test_a_file_that_is_no_reference_is_refused_in_a_sentence(tmp_path, change, sentence):
    path = tmp_path / "reference.json"
    write(reference(90.0), path)
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))
    with pytest.raises(ValueError) as error:
        load(path)
    assert f"{path} is no reference: " in str(error.value)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_changes_are_told_however_little():
    was = reference(90.0, 91.0, tolerances={"coherence": 1.0})
    assert changes(was, was).differences == ()
    now = reference(90.0, 91.1, tolerances={"coherence": "2%"})
    assert next(d.what for d in changes(was, now).differences) == "was 1.0, is 2%"
    assert "was 90.5, is 90.55" in report(changes(was, now))


def test_changes_of_seeds_and_deviations_are_told():
    """Means may stay while tolerances, which follow from deviations, grow tenfold."""
    was, wide = reference(89.0, 91.0), reference(80.0, 100.0)
    assert was.rows[0].scores[0].mean == wide.rows[0].scores[0].mean
    (found,) = changes(was, wide).differences
    assert found.what == "deviation was 1.4142, is 14.142"
    more = reference(89.0, 91.0, 90.0)
    said = report(changes(was, more))
    assert "seeds were 0, 1, are 0, 1, 2" in said and "deviation was 1.4142, is 1" in said


# The command


def said(folder, *args, code=0):
    args = ["check", "--reference", str(folder / "reference.json"), *args]
    if "--results" not in args:
        args += ["--results", str(folder / "results")]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


@pytest.fixture
def runs(tmp_path):
    add([record(i, coherence(90.0 + i), fmd(5.0 + i)) for i in range(3)], tmp_path / "results")
    return tmp_path


def test_the_command_passes_fails_and_updates(runs):
    assert "there is no reference" in said(runs, code=1)
    assert "2 scores of 1 rows" in said(runs, "--update")
    assert said(runs) == "2 of 2 scores compared are within their tolerance\n"
    add([record(i, coherence(40.0 + i), fmd(5.0 + i)) for i in range(3)], runs / "results", True)
    failed = said(runs, code=1)
    assert "coherence image ← sound  was 91, is 41 (-50), tolerance 8.104: 6.2 toler" in failed
    assert "1 of 2 scores compared are within their tolerance, 1 beyond it" in failed
    assert said(runs, "--tolerance", "coherence=50").startswith("2 of 2")
    assert said(runs, "--tolerance", "coherence=60%").startswith("2 of 2")
    before = (runs / "reference.json").read_text()
    updated = said(runs, "--update", "--tolerance", "fmd=1.5")
    assert "was 91, is 41 (-50)" in updated
    assert "fmd                      was seeds, is 1.5" in updated
    assert said(runs, "--update").startswith("nothing changed\n")  # a tolerance is kept
    after = (runs / "reference.json").read_text()
    changed = {*after.splitlines()} ^ {*before.splitlines()}
    assert len(changed) == 4  # of a line for each score, and one for each tolerance


def test_nothing_to_compare_passes_no_check(tmp_path):
    absent = Score("coherence", (), "image", None, 0, reason="it was not computed")
    add([record(0, absent)], tmp_path / "results")
    said(tmp_path, "--update")
    assert "have a score to compare" in said(tmp_path, code=1)


def test_stale_results_make_no_reference(tmp_path):
    add([record(0, coherence(90.0), model="mvae", model_version=99)], tmp_path / "results")
    assert "every result is stale" in said(tmp_path, "--update", code=1)
    assert not (tmp_path / "reference.json").exists()


def test_several_folders_are_one(runs):
    add([record(0, coherence(50.0), model="b")], runs / "more")
    folders = ["--results", str(runs / "results"), "--results", str(runs / "more")]
    said(runs, *folders, "--update")
    said(runs, *folders)
    assert "toy, b, " in said(runs, code=1)


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--tolerance", "coherence"], "'coherence' is not of the form METRIC=VALUE"),
        (["--tolerance", "=2"], "'=2' is not of the form METRIC=VALUE"),
        (["--tolerance", "fmd=x"], "the tolerance of fmd is 'x', expected a number of at least 0"),
        (["--tolerance", "fdm=1"], "no score is of the metric 'fdm'; did you mean 'fmd'?"),
        (["--update", "--tolerance", "fdm=1"], "no score is of the metric 'fdm'"),
        (["--results", "absent"], "there is no folder absent"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_sentence(runs, args, sentence):
    said(runs, "--update")
    before = (runs / "reference.json").read_text()
    assert sentence in said(runs, *args, code=1)
    assert (runs / "reference.json").read_text() == before


def test_an_update_that_fails_leaves_the_old_reference(runs, monkeypatch):
    said(runs, "--update")
    before = (runs / "reference.json").read_text()
    add([record(9, coherence(1.0))], runs / "results")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert "No space left" in said(runs, "--update", code=1)
    assert (runs / "reference.json").read_text() == before
    assert {p.name for p in runs.iterdir()} == {"results", "reference.json"}


def test_two_versions_of_what_is_not_registered_are_no_reference():
    """A row has no version, and of one that is not registered none is the current one."""
    both = [factory.record("own:model", 0, model_version=v) for v in (1, 2)]
    with pytest.raises(ValueError, match="own:model"):
        of_records(both)
    assert len(of_records(both[:1]).rows) == 1
