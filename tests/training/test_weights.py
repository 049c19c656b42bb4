"""Weights and checkpoints: what does not match its seal is refused by name, never trained over."""

import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mmbench.progress import Progress
from mmbench.training.checkpoint import Checkpoint
from mmbench.training.trainer import Optimisation, Trainer
from mmbench.training.weights import load_weights, save_weights, seconds_in

HOW = Optimisation(epochs=2, batch_size=4, learning_rate=1e-2, ema=0.9)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(40, 3)


def train(folder, how=HOW, seed=0):
    module = network()

    def loss(rows, noise):
        return (module(torch.randn(len(rows), 40, generator=noise)) ** 2).mean()

    Trainer(folder, seed, torch.device("cpu"), Progress(None)).minimise(
        "fit", module, loss, 8, how
    )
    return module


@pytest.fixture
def checkpoint(tmp_path):
    """One of an interrupted stage, as `train` would go on from."""
    identity = Trainer(tmp_path, 0, torch.device("cpu"), Progress(None))._identity(
        "fit", network(), 8, HOW
    )
    module = network()
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 40)).sum().backward()
    optimiser.step()
    state = Checkpoint(identity, module, optimiser, [p.detach() for p in module.parameters()])
    path = tmp_path / "fit.checkpoint"
    state.write(path, 1, 0.5)
    return path


def test_damaged_weights_are_refused(tmp_path, damage):
    path = tmp_path / "w.safetensors"
    save_weights(path, network(), seconds="1.0")
    damage(path)
    with pytest.raises(ValueError, match=r"w\.safetensors .*delete it to train again"):
        load_weights(path, network())


def test_weights_of_another_run_are_refused(tmp_path):
    for seed in "01":
        save_weights(tmp_path / seed / "w.safetensors", network(int(seed)), seconds="1.0")
    shutil.copy(tmp_path / "0" / "w.safetensors", tmp_path / "1" / "w.safetensors")
    with pytest.raises(ValueError, match=r"1/w\.safetensors .*delete it to train again"):
        load_weights(tmp_path / "1" / "w.safetensors", network())


def test_weights_of_earlier_versions_are_read(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(network(1).state_dict(), path, {"seconds": "1.5"})
    module = network()
    assert seconds_in(load_weights(path, module), float, path) == 1.5
    assert torch.equal(module.weight, network(1).weight)


@pytest.mark.parametrize("kind", [float, dict])
@pytest.mark.parametrize(
    "text", [None, "", "x", "[1.0]", "null", "NaN", "-1.0", '"1"', '{"a": "b"}', '{"a": -1.0}']
)
def test_weights_that_do_not_tell_their_seconds(kind, text, tmp_path):
    metadata = {} if text is None else {"seconds": text}
    with pytest.raises(ValueError, match=r"w\.safetensors .*delete it to train again"):
        seconds_in(metadata, kind, tmp_path / "w.safetensors")


def test_a_damaged_stage_is_refused(tmp_path, damage):
    train(tmp_path)
    path = tmp_path / "fit.safetensors"
    damage(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"fit\.safetensors .*delete it to train again"):
        train(tmp_path)
    assert path.read_bytes() == before


def test_a_damaged_checkpoint_is_refused(checkpoint, damage):
    damage(checkpoint)
    with pytest.raises(ValueError, match=r"fit\.checkpoint .*delete it to train again"):
        train(checkpoint.parent)
    assert checkpoint.exists()


def test_a_checkpoint_of_another_run_is_refused(checkpoint, tmp_path):
    other = tmp_path / "other" / checkpoint.name
    other.parent.mkdir()
    shutil.copy(checkpoint, other)
    with pytest.raises(ValueError, match=r"other/fit\.checkpoint .*delete it to train again"):
        train(other.parent)


def test_a_checkpoint_of_earlier_versions_is_read(checkpoint, tmp_path):
    old = tmp_path / "old" / checkpoint.name
    old.parent.mkdir()
    torch.save(torch.load(checkpoint), old)
    a, b = train(checkpoint.parent), train(old.parent)
    assert torch.equal(a.weight, b.weight)
    assert not torch.equal(a.weight, train(tmp_path / "from the first step").weight)


def edited(optimiser, change):
    """The state of an optimiser with another state of its first parameter."""
    kept = dict(optimiser["state"][0])
    change(kept)
    return {**optimiser, "state": {**optimiser["state"], 0: kept}}


@pytest.mark.parametrize(
    "change",
    [
        lambda s: [1, 2],
        lambda s: {},
        lambda s: {"identity": s["identity"]},
        lambda s: {**s, "identity": "another"},
        lambda s: {**s, "module": {}},
        lambda s: {**s, "module": [1]},
        lambda s: {**s, "optimiser": {"state": {}, "param_groups": []}},
        lambda s: {**s, "optimiser": 3},
        lambda s: {**s, "optimiser": edited(s["optimiser"], lambda kept: kept.pop("exp_avg"))},
        lambda s: {
            **s,
            "optimiser": edited(s["optimiser"], lambda kept: kept.update(exp_avg=torch.ones(2))),
        },
        lambda s: {**s, "optimiser": edited(s["optimiser"], lambda kept: kept.update(step="x"))},
        lambda s: {**s, "average": s["average"][:1]},
        lambda s: {**s, "average": None},
        lambda s: {**s, "step": 10**6},
        lambda s: {**s, "step": "x"},
        lambda s: {**s, "seconds": float("nan")},
    ],
)
def test_a_file_of_other_content_is_no_checkpoint(checkpoint, change):
    torch.save(change(torch.load(checkpoint)), checkpoint)
    with pytest.raises(ValueError, match=r"fit\.checkpoint .*delete it to train again"):
        train(checkpoint.parent)


def test_a_checkpoint_of_other_settings_is_refused(checkpoint):
    with pytest.raises(ValueError, match=r"fit\.checkpoint .*delete it to train again"):
        train(checkpoint.parent, replace(HOW, learning_rate=0.5))
