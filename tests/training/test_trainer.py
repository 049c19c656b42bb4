import os
import signal
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from itertools import count, pairwise
from multiprocessing import get_context

import pytest
import torch
from torch import nn

from mmbench.files.locks import alone
from mmbench.progress import Progress
from mmbench.training.compilation import lacking
from mmbench.training.descent import Adam
from mmbench.training.trainer import Optimisation, Trainer
from mmbench.training.weights import load_weights, save_weights

N = 64
X = torch.linspace(-1, 1, N)[:, None]
Y = X**2


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(1, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1)
    )


def train(folder, module, how, seed=0, noise_scale=0.01, checkpoint_seconds=1e9):
    def loss(rows, noise):
        jitter = torch.randn(len(rows), 1, generator=noise) * noise_scale
        return ((module(X[rows] + jitter) - Y[rows]) ** 2).mean()

    trainer = Trainer(folder, seed, torch.device("cpu"), Progress(None), checkpoint_seconds)
    trainer.minimise("fit", module, loss, N, how)
    return trainer


HOW = Optimisation(epochs=30, batch_size=16, learning_rate=1e-2)


def state(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_it_learns(tmp_path):
    module = network()
    before = ((module.eval()(X) - Y) ** 2).mean()
    train(tmp_path, module, replace(HOW, epochs=100, schedule="cosine", warmup=10))
    assert ((module(X) - Y) ** 2).mean() < before / 5
    assert not module.training


@pytest.mark.parametrize(
    "how",
    [
        HOW,
        replace(HOW, ema=0.9),
        replace(HOW, schedule="cosine", warmup=7),
        replace(HOW, clip=0.1),
        replace(HOW, precision="bfloat16"),
    ],
)
def test_same_seed_same_bits_and_other_seed_other_bits(tmp_path, how, half):
    a, b, c = network(), network(), network()
    train(tmp_path / "a", a, how)
    train(tmp_path / "b", b, how)
    train(tmp_path / "c", c, how, seed=1)
    assert equal(state(a), state(b))
    assert not equal(state(a), state(c))


class Interrupt(BaseException):
    pass


@pytest.mark.parametrize("stop", [1, 37, 119])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_interrupted_training_ends_in_the_same_bits(tmp_path, stop, ema):
    how = replace(HOW, ema=ema, schedule="cosine")
    whole = network()
    train(tmp_path / "whole", whole, how)

    module, calls = network(), 0

    def loss(rows, noise):
        nonlocal calls
        calls += 1
        if calls > stop:
            raise Interrupt
        jitter = torch.randn(len(rows), 1, generator=noise) * 0.01
        return ((module(X[rows] + jitter) - Y[rows]) ** 2).mean()

    cpu = torch.device("cpu")
    with pytest.raises(Interrupt):
        Trainer(tmp_path / "cut", 0, cpu, Progress(None), 0.0).minimise(
            "fit", module, loss, N, how
        )
    resumed = network()
    train(tmp_path / "cut", resumed, how)
    assert equal(state(whole), state(resumed))


def test_a_finished_stage_is_loaded_not_trained(tmp_path):
    first = network()
    train(tmp_path, first, HOW)
    again = network()
    trainer = train(tmp_path, again, HOW, noise_scale=float("nan"))  # would raise if it trained
    assert equal(state(first), state(again))
    assert trainer.seconds["fit"] > 0


def test_stages_that_differ_in_any_character_are_kept_apart(tmp_path):
    stages = ("a b", "of é", "of è", "of é@1", "of è@1")
    for _ in range(2):
        for i, stage in enumerate(stages):
            trainer, module = Trainer(tmp_path, 0, torch.device("cpu"), Progress(None)), network()
            loss = lambda rows, noise, net=module: ((net(X[rows]) - Y[rows]) ** 2).mean()
            how = replace(HOW, epochs=1, learning_rate=10.0 ** -(i + 1))
            trainer.minimise(stage, module, loss, N, how)
    assert len(list(tmp_path.glob("*.safetensors"))) == len(stages)


def test_killed_process_resumes(tmp_path):
    cut, how = tmp_path / "cut", replace(HOW, ema=0.99)

    def killed():
        module, calls = network(), count()

        def loss(rows, noise):
            if next(calls) == 10:
                os.kill(os.getpid(), signal.SIGKILL)
            jitter = torch.randn(len(rows), 1, generator=noise) * 0.01
            return ((module(X[rows] + jitter) - Y[rows]) ** 2).mean()

        trainer = Trainer(cut, 0, torch.device("cpu"), Progress(None), 0.0)
        trainer.minimise("fit", module, loss, N, how)

    process = get_context("fork").Process(target=killed)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert [p.name for p in cut.glob("fit.*")] == ["fit.checkpoint"]
    whole, resumed = network(), network()
    train(tmp_path / "whole", whole, how)
    train(cut, resumed, how)
    assert equal(state(whole), state(resumed))
    assert not list(cut.glob("*.checkpoint"))


def test_adam_takes_the_steps_of_torchs_in_every_bit():
    ours, theirs = network().eval(), network().eval()
    adams = [
        Adam(ours.parameters(), fused=True),
        torch.optim.Adam(theirs.parameters(), fused=True),
    ]
    for _ in range(2):
        for net, adam in zip((ours, theirs), adams, strict=True):
            for _ in range(3):
                adam.zero_grad()
                (net(X) - Y).square().mean().backward()
                adam.step()
        assert equal(state(ours), state(theirs))
        kept = [deepcopy(adam.state_dict()) for adam in adams]
        for adam, of in zip(adams, reversed(kept), strict=True):
            adam.load_state_dict(of)


def test_clipping_clips(tmp_path):
    """With plain gradients far over the bound, the update must not depend on their size."""
    seen = {}
    for scale in (1e3, 1e6):
        module = nn.Linear(1, 1)
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)

        def loss(rows, _, module=module, scale=scale):
            value = module(X[rows]).sum() * scale
            if scale not in seen:
                module.weight.register_hook(lambda g: seen.update({scale: g.abs().max().item()}))
            return value

        Trainer(tmp_path / str(scale), 0, torch.device("cpu"), Progress(None)).minimise(
            "fit", module, loss, N, replace(HOW, epochs=1, clip=1.0)
        )
        seen[f"norm {scale}"] = torch.cat([p.grad.flatten() for p in module.parameters()]).norm()
    assert seen[1e3] > 1  # the raw gradient was over the bound
    assert seen["norm 1000.0"] <= 1 + 1e-5
    assert seen["norm 1000000.0"] <= 1 + 1e-5


@pytest.mark.parametrize("steps", [1, 3, 10])
@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_ema_is_the_moving_average(tmp_path, decay, steps):
    """Weights that grow by Adam's constant step: the average has a closed form.

    What they were before the first step is not in it, however few steps there are.
    """
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 7.0)

    def loss(rows, _):
        return -module.weight.sum()

    how = Optimisation(epochs=steps, batch_size=N, learning_rate=0.1, ema=decay)
    Trainer(tmp_path, 0, torch.device("cpu"), Progress(None)).minimise("fit", module, loss, N, how)
    shares = [decay ** (steps - n) for n in range(1, steps + 1)]
    values = [7 + 0.1 * n for n in range(1, steps + 1)]
    average = sum(s * v for s, v in zip(shares, values, strict=True)) / sum(shares)
    assert module.weight.item() == pytest.approx(average, rel=1e-5)


def test_ema_is_also_of_the_statistics_of_batch_norms(tmp_path):
    """The averaged parameters would otherwise run with those of the last ones."""
    module, seen, decay = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), [], 0.9

    def loss(rows, _):
        value = module(X[rows][:, :1].expand(-1, 3)).square().sum()
        seen.append((module[1].running_mean.clone(), module[1].running_var.clone()))
        return value + module[0].bias.sum()

    how = replace(HOW, epochs=2, learning_rate=0.1, ema=decay)
    Trainer(tmp_path, 0, torch.device("cpu"), Progress(None)).minimise("fit", module, loss, N, how)
    shares = torch.tensor([decay ** (len(seen) - n) for n in range(len(seen))])
    for found, values in zip(
        (module[1].running_mean, module[1].running_var), zip(*seen, strict=True), strict=True
    ):
        average = (shares[:, None] * torch.stack(values)).sum(0) / shares.sum()
        torch.testing.assert_close(found, average)
        assert not torch.allclose(found, values[-1], rtol=1e-3)


def test_ema_keeps_no_history(tmp_path, monkeypatch):
    """An average that remembers every step would grow without end."""
    lerp, seen = torch._foreach_lerp_, []

    def watched(average, *rest):
        lerp(average, *rest)
        seen.extend(a.requires_grad for a in average)

    monkeypatch.setattr(torch, "_foreach_lerp_", watched)
    train(tmp_path, network(), replace(HOW, epochs=1, ema=0.9))
    assert seen
    assert not any(seen)


def test_schedule():
    how = Optimisation(epochs=1, batch_size=1, learning_rate=2.0, schedule="cosine", warmup=10)
    rates = [how.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.2, rel=1e-3)
    assert max(rates) <= 2.0
    assert rates[-1] < 0.01
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_nan_loss_is_told_and_leaves_no_file(tmp_path):
    with pytest.raises(FloatingPointError, match=r"stage 'fit' is not finite by step"):
        train(tmp_path, network(), HOW, noise_scale=float("nan"), checkpoint_seconds=0.0)
    assert not list(tmp_path.glob("*"))


def test_other_settings_are_not_mixed(tmp_path):
    train(tmp_path, network(), HOW)
    with pytest.raises(ValueError, match="trained with other settings; delete it"):
        train(tmp_path, network(), replace(HOW, learning_rate=1e-3))


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_damaged_weights_are_told(tmp_path, keep):
    path = tmp_path / "w.safetensors"
    save_weights(path, network())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"w\.safetensors .*delete it to train again"):
        load_weights(path, network())


@pytest.mark.parametrize("content", [b"PK\x03\x04 not a checkpoint", b"", b"garbage"])
def test_damaged_checkpoint_is_told(tmp_path, content):
    (tmp_path / "fit.checkpoint").write_bytes(content)
    with pytest.raises(ValueError, match=r"fit\.checkpoint .*delete it to train again"):
        train(tmp_path, network(), HOW)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": -1}, "epochs is -1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"ema": 1.0}, "ema is 1.0"),
        ({"clip": -1.0}, "clip is -1.0"),
    ],
)
def test_settings_out_of_range(change, words):
    with pytest.raises(ValueError, match=words):
        replace(HOW, **change)


class Net(nn.Module):
    """A network whose forward is its own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(1, 16), nn.Linear(16, 1)

    def forward(self, x):
        return self.last(self.first(x).tanh())


def test_what_cannot_be_compiled_is_told(tmp_path, monkeypatch):
    class Bare(nn.Module):
        pass

    how = replace(HOW, compile=True)
    with pytest.raises(ValueError, match="lacks a forward of Bare's own"):
        train(tmp_path, Bare(), how)
    monkeypatch.setenv("CXX", "no-such-compiler -O2")
    with pytest.raises(ValueError, match=r"lacks the C\+\+ compiler no-such-compiler"):
        train(tmp_path, Net(), how)


@pytest.mark.skipif(bool(lacking()), reason=f"needs {' and '.join(lacking())}")
def test_compiled_training_is_the_same_but_for_rounding(tmp_path):
    plain, compiled, again = Net(), Net(), Net()
    train(tmp_path / "plain", plain, HOW)
    for name, module in (("compiled", compiled), ("again", again)):
        within = []
        module.register_forward_pre_hook(lambda m, _, w=within: w.append("forward" in vars(m)))
        train(tmp_path / name, module, replace(HOW, compile=True))
        assert all(within) and within and "forward" not in vars(module)
    assert equal(state(compiled), state(again))
    for name, x in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], x, rtol=1e-2, atol=1e-3)


def test_a_shared_stage_is_trained_by_one_of_two_runs(tmp_path, monkeypatch):
    """The second run, which waits for the first, loads what that has trained."""
    calls = {"first": 0, "second": 0}

    def run(name, module):
        def loss(rows, noise):
            calls[name] += 1
            return ((module(X[rows]) - Y[rows]) ** 2).mean()

        trainer = Trainer(
            tmp_path / name, 0, torch.device("cpu"), Progress(None), shared=tmp_path / "shared"
        )
        trainer.minimise("fit", module, loss, N, HOW, content="squares")

    first, second = network(), network()

    @contextmanager
    def waited(path, busy=None):
        monkeypatch.undo()
        run("first", first)
        with alone(path, busy):
            yield

    monkeypatch.setattr("mmbench.training.trainer.alone", waited)
    run("second", second)
    assert calls["first"] > 0 == calls["second"]
    assert equal(state(first), state(second))
    assert {p.suffix for p in (tmp_path / "shared").iterdir()} == {".csv", ".safetensors"}


def test_what_a_process_left_that_was_killed_after_a_stage_is_removed(tmp_path):
    def fit():
        trainer = Trainer(tmp_path / "run", 0, torch.device("cpu"), Progress(None), shared=shared)
        module = network()
        loss = lambda rows, noise: ((module(X[rows]) - Y[rows]) ** 2).mean()
        trainer.minimise("fit", module, loss, N, replace(HOW, epochs=1), "content")

    shared = tmp_path / "shared"
    fit()
    (file,) = shared.glob("*.safetensors")
    kept = set(shared.iterdir())
    (shared / f".{file.stem}.lock").touch()
    (tmp_path / "run" / "fit.checkpoint").touch()
    fit()
    assert set(shared.iterdir()) == kept
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["history.csv"]
