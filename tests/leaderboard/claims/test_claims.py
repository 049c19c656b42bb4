import json
import re
from dataclasses import replace

import factory
import pytest
from click.testing import CliRunner

from mmbench.cli.main import main
from mmbench.core.score import Score
from mmbench.leaderboard.claims.claims import CLAIMS, find, verdicts
from mmbench.leaderboard.claims.comparisons import DS, FRAGILE, MIXTURES, PRODUCTS, VAES
from mmbench.records.store import write

GIVEN = [(), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c")]
EVERYWHERE = [
    "mixtures cohere from one",
    "products draw better",
    "mixtures lose quality",
    "products use more modalities",
    "MLD is coherent jointly",
    "MLD is coherent given others",
    "MLD reconstructs best",
    "MLD draws best or second best",
    "more inputs do not hurt MLD",
    "variants of MLD draw alike",
    "RePaint makes MLD coherent",
    "d matters little",
    "guidance makes SBM-VAE coherent",
]


def made(model, seed, scores, dataset="toy", settings=None, data="0", sampler=None):
    protocol = {"model": settings or {}, "evaluation": {"sampler": {"name": sampler}}}
    return factory.record(model, seed, scores, protocol, dataset=dataset, data=data)


def record(
    model,
    seed=0,
    joint=50.0,
    one=60.0,
    two=60.0,
    fmd=10.0,
    more=10.0,
    own=97.0,
    near=1.0,
    **changes,
):
    """Coherence, jointly and from one and two; distances; and both of reconstructions."""
    scores = [Score("coherence", (), "joint", joint, 1000)]
    for given in GIVEN:
        for target in "abc":
            known = target in given
            coherence = {0: None, 1: one, 2: two, 3: None}[len(given)]
            if given:
                scores.append(Score("coherence", given, target, own if known else coherence, 1000))
            value = near if known else more if len(given) == 2 else fmd
            scores.append(Score("fmd", given, target, value, 100))
    return made(model, seed, scores, **changes)


def seeds(model, joint=50.0, one=60.0, two=60.0, fmd=10.0, apart=0.2, count=3, **changes):
    """Runs whose scores differ by `apart` from seed to seed; changes with the inputs do not."""
    return [
        record(
            model,
            s,
            joint + apart * s,
            one + apart * s,
            two + apart * s,
            fmd + apart * s,
            fmd + apart * s,
            **changes,
        )
        for s in range(count)
    ]


BEST = {"joint": 80.0, "one": 75.0, "two": 75.0, "fmd": 2.0, "own": 99.0, "near": 0.5}
BY = {"settings": {"d": 0.3}, "sampler": "repaint"}


def as_told(**changes):
    """For each model records in which every claim holds that does not compare settings of MLD."""
    models = {"mld": seeds("mld", **BEST | BY, **changes)}
    models |= {m: seeds(m, fmd=2.0, **changes) for m in ("mld-inpaint", "mld-uni")}
    models |= {m: seeds(m, one=40.0, two=70.0, fmd=5.0, **changes) for m in PRODUCTS}
    models |= {m: seeds(m, one=60.0, two=60.5, fmd=20.0, **changes) for m in MIXTURES}
    models |= {m: seeds(m, one=40.0, fmd=15.0, **changes) for m in VAES if m not in models}
    models["sbm-vae"] = seeds("sbm-vae", one=50.0, two=50.0, **changes)
    models["sbm-vae-c"] = seeds("sbm-vae-c", **changes)
    return models


def swept():
    """Fewer seeds of MLD by other settings, so that those claims hold too."""
    plain = {"joint": 70.0, "one": 65.0, "two": 65.0, "sampler": "euler"}
    return {
        "d": seeds("mld", **BEST | BY | {"settings": {"d": 0.6}}, count=2),
        "euler": seeds("mld", **BEST | BY | plain, count=2),
    }


def flat(models):
    return [r for of in models.values() for r in of]


def states(records):
    return {claim.name: verdict.state for _, claim, verdict in verdicts(records)}


def verdict(records, name):
    [found] = [v for _, claim, v in verdicts(records) if claim.name == name]
    return found


def test_all_hold_where_they_should():
    found = states(flat(as_told() | swept()))
    assert list(found) == EVERYWHERE
    assert set(found.values()) == {"holds"}


@pytest.mark.parametrize(
    ("name", "model", "change"),
    [
        ("mixtures cohere from one", "mvae", {"one": 61.0, "two": 70.0, "fmd": 5.0}),
        ("mixtures lose quality", "mopoe", {"one": 40.0, "fmd": 4.0}),
        ("products use more modalities", "mvae", {"one": 40.0, "two": 40.0, "fmd": 5.0}),
        ("products use more modalities", "mmvae-elbo", {"two": 70.0, "fmd": 20.0}),
        ("MLD is coherent jointly", "nexus", {"joint": 81.0, "fmd": 15.0}),
        ("MLD is coherent given others", "nexus", {"one": 80.0, "two": 80.0, "fmd": 15.0}),
        ("MLD reconstructs best", "nexus", {"own": 99.9, "fmd": 15.0}),
        ("MLD reconstructs best", "nexus", {"near": 0.2, "fmd": 15.0}),
        ("more inputs do not hurt MLD", "mld", BEST | BY | {"one": 78.0, "two": 74.0}),
        ("variants of MLD draw alike", "mld-uni", {"fmd": 4.0}),
        ("variants of MLD draw alike", "mld-inpaint", {"fmd": 1.0}),
        ("guidance makes SBM-VAE coherent", "sbm-vae-c", {"one": 40.0, "two": 40.0}),
    ],
)
def test_each_can_fail_alone(name, model, change):
    found = states(flat(as_told() | swept() | {model: seeds(model, **change)}))
    assert [n for n, state in found.items() if state != "holds"] == [name]
    assert found[name] == "fails"


@pytest.mark.parametrize("change", [{"joint": 75.0}, {"one": 68.0, "two": 68.0}])
def test_repaint_has_to_be_above_each_plain_sampler(change):
    """And a claim about samplers is not run without both."""
    name = "RePaint makes MLD coherent"
    by = {"settings": {"d": 0.3}, "joint": 70.0, "one": 60.0, "two": 60.0}
    repaint = seeds("mld", **by, sampler="repaint")
    assert states(repaint)[name] == "not run"
    plain = seeds("mld", **by | {"joint": 60.0, "one": 50.0, "two": 50.0}, sampler="ancestral")
    assert states(repaint + plain)[name] == "holds"
    better = seeds("mld", **by | change, sampler="euler")
    assert states(repaint + plain + better)[name] == "fails"


def test_a_claim_about_a_setting_compares_runs_that_are_equal_elsewhere():
    name = "RePaint makes MLD coherent"
    repaint = seeds("mld", settings={"d": 0.3}, joint=70.0, one=70.0, two=70.0, sampler="repaint")
    narrow = seeds("mld", settings={"d": 0.3, "width": 8}, joint=1.0, one=1.0, sampler="euler")
    assert states(repaint + narrow)[name] == "not run"
    equal = seeds("mld", settings={"d": 0.3}, joint=60.0, one=60.0, two=60.0, sampler="euler")
    assert states(repaint + narrow + equal)[name] == "holds"


def test_a_mean_names_the_numbers_of_given_modalities_that_are_scored():
    scores = [Score("fid", given, "m0", 90.0, 2500) for given in ((), ("m1", "m2", "m3", "m4"))]
    other = [Score("coherence", (), f"m{i}", 50.0, 10) for i in range(5)]
    runs = [made(m, 0, scores + other, dataset="polymnist") for m in ("mld", "mvae")]
    found = verdict(runs, "MLD draws best or second best")
    told = "\n".join([*found.evidence, *found.published])
    assert "fid of m0, joint and given 4: " in told and "given any" not in told


def test_d_matters_little_only_if_every_value_is_close_to_every_other():
    name = "d matters little"

    def by(d, joint, one=60.0):
        return seeds("mld", joint=joint, one=one, two=one, settings={"d": d})

    runs = by(DS[0], 60.0)
    assert states(runs)[name] == "not run"
    assert states(runs + by(DS[-1], 63.0))[name] == "holds"
    assert states(runs + by(0.9, 1.0) + by(DS[-1], 63.0))[name] == "holds"
    for far in (by(0.4, 70.0), by(0.4, 50.0), by(0.4, 60.0, 50.0), by(0.4, 60.0, 70.0)):
        assert states(runs + far)[name] == "fails"
    assert states(runs + by(0.4, 65.0))[name] == "undecided"


def test_mld_may_draw_second_best_but_not_third():
    name = "MLD draws best or second best"
    models = as_told() | {"nexus": seeds("nexus", fmd=1.0)}
    assert states(flat(models))[name] == "holds"
    models |= {"mmvae-plus": seeds("mmvae-plus", fmd=1.0)}
    assert states(flat(models))[name] == "fails"


def test_quality_that_falls_with_more_inputs_hurts():
    worse = [record("mld", s, **BEST | BY | {"fmd": 2.0 + s / 10}, more=3.0) for s in range(3)]
    assert states(flat(as_told() | {"mld": worse}))["more inputs do not hurt MLD"] == "fails"


def test_seeds_that_differ_too_much_leave_it_undecided():
    wide = [record("mld", s, joint=joint, fmd=2.0) for s, joint in enumerate((51, 70, 110))]
    found = verdict(flat(as_told() | {"mld": wide}), "MLD is coherent jointly")
    assert found.state == "undecided" and found.further >= 1
    assert f"{found.further} more seed" in found.words
    ever_more = [record("mld", s, joint=wide[s % 3].scores[0].value, fmd=2.0) for s in range(60)]
    models = as_told(count=60) | {"mld": ever_more}
    assert verdict(flat(models), "MLD is coherent jointly").state == "holds"


def test_one_seed_decides_nothing():
    found = verdict(flat(as_told(count=1)), "MLD is coherent jointly")
    assert (found.state, found.further, found.words) == ("undecided", None, "undecided")
    assert any(line.startswith("one seed of mld, mvae") for line in found.evidence)


def test_without_results_a_claim_is_not_run():
    found = verdicts([record("mld")])
    assert {v.state for _, c, v in found if c.name != "more inputs do not hurt MLD"} == {"not run"}
    assert any("no results of mmvae, mmvae-elbo, mvae" in line for line in found[0][2].evidence)
    assert verdicts([]) == []


def test_what_half_was_run_can_fail_but_not_hold():
    rising, level = as_told()["mvae"], seeds("mvae", one=40.0, two=40.0)
    assert states(rising)["products use more modalities"] == "not run"
    assert states(level)["products use more modalities"] == "fails"


def test_data_sets_do_not_mix():
    found = verdicts([*flat(as_told()), record("mld", joint=1.0, dataset="other")])
    assert [d for d, _, _ in found] == ["other"] * len(EVERYWHERE) + ["toy"] * len(EVERYWHERE)
    assert all(v.state != "fails" for d, _, v in found if d == "toy")


def test_examples_and_protocols_do_not_mix():
    models = as_told()
    others = seeds("mld", joint=1.0, count=2, settings={"d": 0.9})
    elsewhere = seeds("mld", joint=1.0, count=9, data="1")
    found = verdict(flat(models) + others + elsewhere, "MLD is coherent jointly")
    assert found.state == "holds"
    left = "11 runs left out (other examples, networks, protocols or numbers of samples)"
    assert left in found.evidence


def test_the_shipped_protocol_counts_whatever_else_has_more_seeds(monkeypatch):
    models = as_told()
    others = seeds("mld", joint=1.0, count=5, settings={"d": 0.9})
    name = "MLD is coherent jointly"
    assert verdict(flat(models) + others, name).state == "fails"
    ours = models["mld"][0].protocol_hash
    monkeypatch.setattr("mmbench.leaderboard.claims.quantities.shipped_hash", lambda *_: ours)
    assert verdict(flat(models) + others, name).state == "holds"


def test_distances_of_fewer_samples_are_not_compared():
    models = as_told()
    fewer = [replace(r, scores=tuple(replace(s, n=20) for s in r.scores)) for r in models["mvae"]]
    found = verdict(flat(models | {"mvae": fewer}), "products draw better")
    assert found.state == "holds" and found.partial
    assert "no results of mvae" in found.evidence
    assert states(flat(models | {"mvae": fewer}))["products use more modalities"] == "holds"


def test_what_holds_of_some_models_says_so():
    models = as_told()
    name = "MLD is coherent jointly"
    assert verdict(flat(models), name).words == "holds"
    del models["nexus"]
    assert verdict(flat(models), name).words == "holds of those run"


def test_seeds_that_agree_to_the_last_sample_are_not_certain():
    name = "MLD is coherent jointly"
    models = {"mld": seeds("mld", joint=80.0, apart=0), "mvae": seeds("mvae", joint=79.9, apart=0)}
    assert verdict(flat(models), name).state == "undecided"
    models["mvae"] = seeds("mvae", joint=70.0, apart=0)
    assert verdict(flat(models), name).state == "holds"


def test_a_modality_of_small_distances_counts_as_much():
    """Twice as near in one of three outweighs a hundredth further in the others."""

    def scaled(model, a, b):
        return [
            made(
                model,
                s,
                [
                    Score("fmd", (), t, x * (1 + s / 1000), 100)
                    for t, x in (("a", a), ("b", b), ("c", b))
                ],
            )
            for s in range(3)
        ]

    models = {"mvae": scaled("mvae", 2.0, 1000.0), "mmvae": scaled("mmvae", 1.0, 1010.0)}
    found = verdict(flat(models), "products draw better")
    assert found.state == "fails"
    assert "fmd: the geometric mean over modalities" in found.evidence


def test_means_are_of_scores_that_all_have():
    models = as_told()
    models["nexus"] = [
        made("nexus", s, [Score("fmd", (), "a", 3.0 + s / 10, 100)]) for s in range(3)
    ]
    claimed = verdict(flat(models), "MLD draws best or second best")
    assert "nexus" in claimed.evidence[0] and "nexus" not in claimed.evidence[1]


def test_different_ways_of_measuring_are_told():
    models = as_told()
    models["mld"][0] = made("mld", 0, [Score("coherence", (), "joint", 80.0, 999)], **BY)
    found = verdict(flat(models), "MLD is coherent jointly")
    assert "coherence measured with different numbers of samples" in found.evidence


def test_a_run_counts_once():
    with pytest.raises(ValueError, match="two records of 'mld' on 'toy' have seed 0"):
        verdicts([record("mld"), record("mld")])


def fragile(model, level, modality):
    return [
        made(
            model,
            s,
            [
                Score("coherence", (), "joint", 50.0, 999),
                Score("coherence", (modality,), "image", level + s, 999),
                Score("coherence", ("image",), modality, 90.0, 999),
            ],
        )
        for s in range(3)
    ]


@pytest.mark.parametrize("modality", FRAGILE)
def test_inpainting_is_asked_of_fragile_modalities(modality):
    name = "in-paint fails from fragile modalities"
    records = fragile("mld", 80, modality)
    assert states(records)[name] == "not run"
    assert states(records + fragile("mld-inpaint", 50, modality))[name] == "holds"
    assert states(records + fragile("mld-inpaint", 90, modality))[name] == "fails"
    assert states(records + fragile("mld-inpaint", 79, modality))[name] == "undecided"
    assert name not in states(fragile("mld", 80, "text"))


def many(model, rise, levels=None):
    levels = levels or [50.0 + rise * k for k in (1, 2, 3)]
    names = ("m0", "m1", "m2", "m3")
    return [
        made(
            model,
            s,
            [
                Score("coherence", given, target, levels[len(given) - 1] + s, 900)
                for given in (names[:1], names[:2], names[:3])
                for target in names
                if target not in given
            ],
        )
        for s in range(3)
    ]


def test_uni_is_asked_of_many_modalities():
    name = "MLD-Uni gains less from more inputs"
    assert states(many("mld", 9.0) + many("mld-uni", 5.0))[name] == "holds"
    assert states(many("mld", 5.0) + many("mld-uni", 9.0))[name] == "fails"
    assert name not in states(flat(as_told()))


def test_every_step_counts_when_inputs_are_added():
    name = "more inputs do not hurt MLD"
    assert states(many("mld", 9.0))[name] == "holds"
    assert states(many("mld", 0, [50.0, 70.0, 65.0]))[name] == "fails"
    assert states(many("mld", 0, [50.0, 45.0, 65.0]))[name] == "fails"


def pictures(model, fid, settings=None, reason=None):
    return [
        made(
            model,
            s,
            [
                Score("fid", given, "image", None if reason else fid + s, 9, reason=reason)
                for given in ((), ("sentence",))
            ],
            "birds",
            settings,
        )
        for s in range(3)
    ]


def test_the_auxiliary_model_is_told_by_the_protocol():
    name = "the auxiliary score model helps"
    with_it = pictures("diff-mvae-star", 30.0)
    assert states(with_it)[name] == "not run"
    without = pictures("diff-mvae-star", 60.0, {"auxiliary": False})
    assert states(with_it + without)[name] == "holds"
    assert states(pictures("diff-mvae-star", 90.0) + without)[name] == "fails"


def test_diffusion_decoders_are_asked_about_pictures():
    name = "diffusion decoders draw better"
    ours = pictures("diff-mvae-star", 30.0)
    assert states(ours + pictures("mvtcae", 90.0))[name] == "holds"
    assert states(ours + pictures("mvtcae", 9.0))[name] == "fails"
    # Where z comes from the prior, it is another model.
    assert (
        states(pictures("diff-mvae-star", 9.0, {"auxiliary": False}) + pictures("mvtcae", 90.0))[
            name
        ]
        == "not run"
    )
    assert states(pictures("mvtcae", 9.0, reason="no weights"))[name] == "not run"
    assert name not in states(flat(as_told()))


@pytest.mark.parametrize("rival", ["mld", "mmvae-plus", "sbm-vae-c", "mopoe-star"])
def test_every_rival_of_the_table_can_draw_better(rival):
    name = "diffusion decoders draw better"
    ours = pictures("diff-mvae-star", 30.0) + pictures("mvtcae", 90.0)
    assert states(ours + pictures(rival, 90.0))[name] == "holds"
    assert states(ours + pictures(rival, 9.0))[name] == "fails"


@pytest.mark.parametrize(
    ("name", "better", "worse"),
    [
        ("a stronger autoencoder helps MLD", "mld-star", "mld"),
        ("Diff-MVAE* draws better than Diff-MVAE", "diff-mvae-star", "diff-mvae"),
    ],
)
def test_the_star_is_asked_wherever_there_are_pictures(name, better, worse):
    assert states(pictures(better, 30.0) + pictures(worse, 60.0))[name] == "holds"
    assert states(pictures(better, 60.0) + pictures(worse, 30.0))[name] == "fails"
    assert states(pictures(better, 60.0))[name] == "not run"
    assert name not in states(flat(as_told()))


def captions(model, clip):
    terms = [(("sentence",), "image"), (("image",), "sentence")]
    scores = [Score("clip-s", *term, clip, 99) for term in terms]
    return [
        made(model, s, [replace(x, value=x.value + s / 100) for x in scores], "birds")
        for s in range(3)
    ]


def test_clip_s_is_asked_of_pictures_and_captions():
    name = "diffusion decoders cohere by CLIP-S"
    ours = captions("diff-mvae-star", 0.6) + captions("mopoe", 0.4)
    assert states(ours + captions("mvtcae", 0.4))[name] == "holds"
    assert states(ours + captions("mvtcae", 0.8))[name] == "fails"
    assert name not in states(pictures("mvtcae", 9.0))


def faces(model, f1):
    return [
        made(
            model,
            s,
            [
                Score("f1", ("image",), "attributes", f1 + s / 100, 9),
                Score("f1", ("image",), "mask", 0.9, 9),
                Score("f1", ("attributes",), "attributes", 0.99 - f1, 9),
            ],
            "faces",
        )
        for s in range(3)
    ]


def test_diffusion_decoders_are_asked_about_attributes():
    name = "diffusion decoders tell attributes better"
    ours = faces("diff-mvae-star", 0.8)
    assert states(ours + faces("mopoe-star", 0.6))[name] == "holds"
    assert states(ours + faces("mopoe-star", 0.95))[name] == "fails"
    assert states(ours + faces("mopoe-star", 0.795))[name] == "undecided"
    assert states(ours + faces("mld", 0.6))[name] == "not run"
    assert name not in states(pictures("mvtcae", 9.0))


def test_published_numbers_stand_beside():
    records = [r for m in ("mld", "mld-inpaint") for r in fragile(m, 50, "svhn")]
    records = [made(r.model, r.seed, r.scores, "mnist-svhn-mini") for r in records]
    [line] = verdict(records, "in-paint fails from fragile modalities").published
    assert line == (
        "published, mnist-svhn: coherence, given svhn: mld 79.1 ± 0.4 against "
        "mld-inpaint 63.3 ± 1.2"
    )
    assert not verdict(flat(as_told()), "MLD is coherent jointly").published


def test_names_are_distinct_and_found():
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    assert find("MLD is coherent jointly").name == "MLD is coherent jointly"
    with pytest.raises(LookupError, match="did you mean 'MLD is coherent jointly'"):
        find("MLD is coherent")


@pytest.fixture
def folder(tmp_path):
    for r in flat(as_told()):
        write(r, tmp_path / r.dataset / r.model / f"{r.seed}.json")
    write(record("mld", dataset="o\x1b[2J|<b>"), tmp_path / "other" / "mld" / "0.json")
    return tmp_path


def said(*arguments):
    result = CliRunner().invoke(main, ["claims", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_prints_text(folder):
    lines = said("--results", folder).splitlines()
    assert "toy: MLD is coherent jointly: holds" in lines
    assert not any("\x1b" in line for line in lines)
    [line] = [line for line in lines if line.startswith("o [2J|<b>: not run: ")]
    assert "MLD is coherent jointly" in line
    one = said("--results", folder, "--claim", "MLD is coherent jointly").splitlines()
    assert [x for x in one if not x.startswith(" ")] == [
        "o [2J|<b>: MLD is coherent jointly: not run",
        "toy: MLD is coherent jointly: holds",
    ]


def test_what_nothing_compares_is_one_line(tmp_path):
    write(record("nexus", dataset="alone"), tmp_path / "alone" / "nexus" / "0.json")
    count = len(verdicts([record("nexus", dataset="alone")]))
    assert said("--results", tmp_path).splitlines() == [
        f"alone: all {count} claims not run: there are no results to compare"
    ]


def test_the_command_prints_markdown(folder):
    lines = said("--results", folder, "--format", "markdown").splitlines()
    assert len(lines) == 2 + 2 * len(EVERYWHERE)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 6 for line in lines)
    assert all("<b>" not in line and "\x1b" not in line for line in lines)


def test_the_command_prints_json(folder):
    found = json.loads(said("--results", folder, "--format", "json"))
    assert {f["state"] for f in found if f["dataset"] == "toy"} == {"holds", "not run"}
    assert {"o\x1b[2J|<b>", "toy"} == {f["dataset"] for f in found}
    assert all(f["evidence"] and f["source"] and f["statement"] for f in found)


def test_the_command_knows_no_other_claim(folder):
    result = CliRunner().invoke(main, ["claims", "--results", str(folder), "--claim", "MLD is"])
    assert result.exit_code == 1 and "no claim is called 'MLD is'" in result.output
