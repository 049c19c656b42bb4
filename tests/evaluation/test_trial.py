"""What is tried before training: it finds what would fail after it, and changes no number."""

import sys
from dataclasses import replace
from types import ModuleType

import pytest
import torch

from mmbench.core.model import Model
from mmbench.core.score import Context, Metric, Score
from mmbench.evaluation import trial
from mmbench.evaluation.settings import Evaluation
from mmbench.evaluation.trial import EXAMPLES, tried
from mmbench.progress import Progress
from mmbench.protocols.protocol import load, override
from mmbench.runs.run import Run

CPU = torch.device("cpu")


class Noise(Model):
    """Notes how it is asked."""

    wrong = None

    def __init__(self, shapes):
        super().__init__()
        self.shapes, self.asked = shapes, []
        self.weight = torch.nn.Parameter(torch.ones(()))

    def fit(self, train, trainer):
        raise AssertionError

    def generate(self, given, targets, n, generator):
        self.asked.append((tuple(given), n, self.training, torch.is_grad_enabled()))
        torch.rand(3)  # of the default generator
        made = {
            m: self.weight * torch.rand(n, *self.shapes[m], generator=generator) for m in targets
        }
        return made if self.wrong is None or tuple(given) != self.wrong else {}


@pytest.fixture
def attempt(toy, tmp_path):
    """Tries a model by some metrics; returns the model."""

    def do(*metrics, wrong=None):
        model = Noise({m.name: m.shape for m in toy.modalities})
        model.wrong = wrong
        evaluation = Evaluation(dict.fromkeys(metrics or ["mse"], "all"))
        tried(model, toy, evaluation, Context(CPU, tmp_path, Progress(None)), 0)
        return model

    return do


def test_every_subset_is_drawn_from_without_gradients_and_in_evaluation_mode(attempt, toy):
    asked = attempt().asked
    given = [names for names, *_ in asked]
    assert len(set(given)) == len(given) == 2 ** len(toy.modalities)
    assert [len(names) for names in given] == [0, 1, 1, 1, 3, 2, 2, 2]
    assert all(how == [EXAMPLES, False, False] for _, *how in asked)


def test_no_other_randomness_moves(attempt):
    before = torch.random.get_rng_state()
    attempt()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_it_ends_after_a_second(attempt, monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", -1.0)
    assert len(attempt().asked) == 1


@pytest.mark.parametrize("given", [(), ("sound",), ("image", "trajectory")])
def test_what_is_not_drawn_is_told(attempt, given):
    with pytest.raises(ValueError, match=r"Noise\.generate did not draw"):
        attempt(wrong=given)


def fails(generated, dataset, context):
    if generated.given == ("sound",):
        raise TypeError("no tensor")
    yield Score("mine", generated.given, "image", 0.0, len(generated.rows))


def test_a_metric_that_fails_is_told_unless_it_needs_more_or_a_network(attempt, monkeypatch):
    module = ModuleType("metrics_of_mine")
    monkeypatch.setitem(sys.modules, "metrics_of_mine", module)
    mine = Metric("mine", "Mine", "lower", "", "https://example.org", fails)
    for module.mine in (replace(mine, judge="own"), replace(mine, least=EXAMPLES + 1)):
        attempt("metrics_of_mine:mine")
    module.mine = mine
    with pytest.raises(ValueError, match="mine cannot score 8 test examples given sound: no ten"):
        attempt("metrics_of_mine:mine")


def other(generated, dataset, context):
    yield Score("yours", generated.given, "image", 0.0, len(generated.rows))


def absent(generated, dataset, context):
    yield generated.absent


def few(generated, dataset, context):
    raise IndexError("sample 50")
    yield


@pytest.mark.parametrize(("compute", "more"), [(other, False), (absent, False), (few, True)])
def test_only_a_metric_that_may_want_samples_is_told_to_declare_it(
    attempt, monkeypatch, compute, more
):
    module = ModuleType("metrics_of_mine")
    module.mine = Metric("mine", "Mine", "lower", "", "https://example.org", compute)
    monkeypatch.setitem(sys.modules, "metrics_of_mine", module)
    with pytest.raises(ValueError, match="mine cannot score 8") as told:
        attempt("metrics_of_mine:mine")
    assert ("least=..." in str(told.value)) == more


QUICK = ["width=32", "groups=4", "autoencoder.epochs=1", "latent=4", "score.epochs=2"]


def test_a_run_trains_the_same_bits_with_it_and_without(toy, tmp_path, monkeypatch):
    protocol = override(load(toy.name), [f"models.mld.{x}" for x in QUICK])
    states = []
    for name in ("with", "without"):
        if name == "without":
            monkeypatch.setattr("mmbench.runs.run.tried", lambda *_: None)
        run = Run("mld", toy, 0, protocol, tmp_path / name, CPU, tmp_path, Progress(None), {})
        run.folder.mkdir(parents=True)
        states.append(run.trained().state_dict())
    a, b = states
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_samplers_make_a_single_move(toy, tmp_path):
    """The protocol's sampler of mhd-mini evaluates its network more than a hundred times."""
    run = Run("mld", toy, 0, load(toy.name), tmp_path, CPU, tmp_path, Progress(None), {})
    model, calls = run.build(), []
    model.score_network.register_forward_hook(lambda *_: calls.append(1))
    tried(model, toy, run.evaluation, Context(CPU, tmp_path, Progress(None)), 0)
    assert run.build().evaluations > 100 > len(calls) >= 1
