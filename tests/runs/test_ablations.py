"""Ablations: which protocols they are, and the command that runs them."""

from copy import deepcopy

import pytest
from click.testing import CliRunner

from mmbench.cli.main import main
from mmbench.evaluation.settings import Evaluation
from mmbench.models.diffusion.samplers import make_sampler
from mmbench.protocols.arguments import construct
from mmbench.protocols.protocol import load, resolve
from mmbench.records.store import find as records
from mmbench.runs.ablations import find, named


def test_every_ablation_is_of_settings_that_exist():
    """Each protocol differs from the shipped one in its key alone, and can be evaluated."""
    shipped = load("mhd-mini")
    for ablation in named().values():
        first, last = ablation.key.split(".")
        made = ablation.protocols(shipped, "mld")
        assert len(made) == len(ablation.values) > 1
        for value, protocol in zip(ablation.values, made, strict=True):
            changed = deepcopy(resolve(protocol, "mld"))
            assert changed[first][last] == value
            rest = deepcopy(resolve(shipped, "mld"))
            rest[first].pop(last, None)
            changed[first].pop(last)
            assert changed == rest
            construct(Evaluation, protocol["evaluation"], "evaluation")
            make_sampler(protocol["evaluation"]["sampler"])
    assert resolve(shipped, "mld") == resolve(load("mhd-mini"), "mld")  # and stays as it was


def test_the_papers_sampler_costs_what_they_say():
    assert make_sampler(find("sampler").values[0]).evaluations == 2410


def test_a_setting_of_ones_own():
    own = find("model.score.epochs", [1, 2])
    made = own.protocols(load("mhd-mini"), "mld")
    assert [p["models"]["mld"]["score"]["epochs"] for p in made] == [1, 2]
    assert find("d", [0.5]).values == (0.5,)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("dd", [], "'dd'; did you mean 'd'"),
        ("model.width", [], "model.width needs values"),
        ("modalities.image", [1], "no ablation is called 'modalities.image'"),
    ],
)
def test_unknown_names_are_refused(name, values, words):
    with pytest.raises(LookupError, match=words):
        find(name, values)


def test_a_setting_must_fit_the_protocol():
    with pytest.raises(LookupError, match=r"no table models.mdl; did you mean 'mld'"):
        find("d").protocols(load("mhd-mini"), "mdl")
    with pytest.raises(ValueError, match=r"model.scor.epochs has no table 'scor'; did you mean"):
        find("model.scor.epochs", [1]).protocols(load("mhd-mini"), "mld")
    for own in (find("sampler"), find("evaluation.sampler.steps", [1, 2])):
        with pytest.raises(ValueError, match=f"mvae has no sampler, so {own.key} changes nothing"):
            own.protocols(load("mhd-mini"), "mvae")


QUICK = [
    *("models.mld.width=32", "models.mld.groups=4", "models.mld.autoencoder.epochs=1"),
    *("models.mld.latent=4", "models.mld.score.epochs=1", "evaluation.examples=20"),
    *("evaluation.sampler={name='ancestral', steps=2}", "evaluation.given=[0]"),
]


@pytest.fixture
def ablate(toy_loads, tmp_path):
    """Runs the command on the toy data set."""
    rest = [a for c in QUICK for a in ("--set", c)] + ["--out", str(tmp_path / "out")]
    return lambda *arguments: CliRunner().invoke(main, ["ablate", *arguments, *rest])


def test_each_value_is_run_and_stage_1_trained_once(ablate, toy, tmp_path):
    done = ablate("d", "--values", "[0.2, 0.9]")
    assert done.exit_code == 0, done.output
    found = list(records(tmp_path / "out").values())
    assert sorted(r.protocol["model"]["d"] for r in found) == [0.2, 0.9]
    assert "figure 11" in done.output
    assert len(list((tmp_path / "out" / toy.name / "shared").glob("*.safetensors"))) == 3
    first, second = (r.seconds["autoencoder image"] for r in found)
    assert first == second
    picture = tmp_path / "out" / f"{toy.name}-mld-d.svg"
    assert picture.exists() and "0.2" in picture.with_suffix(".csv").read_text()
    again = ablate("d", "--values", "[0.2, 0.9]")
    assert again.output.count("already done") == 2


def test_another_evaluation_trains_nothing_again(ablate, tmp_path):
    values = "[{name='ancestral', steps=1}, {name='euler', steps=3}]"
    done = ablate("sampler", "--values", values)
    assert done.exit_code == 0, done.output
    found = list(records(tmp_path / "out").values())
    assert sorted(r.evaluations for r in found) == [1, 3]
    assert len(list((tmp_path / "out").rglob("weights.safetensors"))) == 1
    assert list((tmp_path / "out").glob("*-mld-sampler.svg"))


def test_one_value_is_a_table(ablate, tmp_path):
    done = ablate("d", "--values", "[0.5]")
    assert done.exit_code == 0, done.output
    assert "joint" in done.output and not list((tmp_path / "out").glob("*.svg"))


@pytest.mark.parametrize(
    ("values", "words"),
    [("[0.2", "not a list"), ("0.2", "not a list"), ("['a']", "models.mld.d is 'a'")],
)
def test_bad_values_get_one_sentence(ablate, values, words):
    done = ablate("d", "--values", values)
    assert done.exit_code == 1
    assert words in done.output and "Traceback" not in done.output


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("d", "[0.3, 0.5, 1.5]", "d is 1.5, expected a probability"),
        ("d", "[1, 0.5, 1.0]", "1 more than once"),
        ("model.latent", "[{image = 4}, {image = 2}]", "such as model.latent.image"),
    ],
)
def test_impossible_values_are_refused_before_training(ablate, tmp_path, name, values, words):
    done = ablate(name, "--values", values)
    assert done.exit_code == 1
    assert words in done.output and "Traceback" not in done.output
    assert not list(tmp_path.rglob("*.safetensors"))
