from copy import deepcopy

import pytest
import torch
from torch.nn import functional as F

from mmbench import onednn
from mmbench.compilation import lacking
from mmbench.core import Context, Dataset, Modality, Split
from mmbench.drawn import draw
from mmbench.evaluate import generate
from mmbench.onednn import WORTH, OneDNN
from mmbench.precision import computed
from mmbench.progress import Progress
from mmbench.train import Optimisation, Trainer

needs = pytest.mark.skipif(onednn.LINEAR is None, reason="this build of PyTorch has no oneDNN")


@pytest.fixture
def calls(monkeypatch):
    seen = []

    def linear(*args):
        seen.append(args)
        return torch.ops.mkldnn._linear_pointwise(*args)

    monkeypatch.setattr(onednn, "LINEAR", linear)
    monkeypatch.setattr(onednn, "FASTER", True)
    return seen


def layer(rows=192, inputs=96, outputs=128, dtype=torch.float32):
    g = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=g).to(dtype)
    return draw(rows, inputs), draw(outputs, inputs), draw(outputs)


@needs
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(192, 96), (4, 48, 96)])
def test_it_computes_the_layer(calls, bias, shape):
    x, weight, b = layer()
    x = x.reshape(*shape)
    args = (x, weight, b) if bias else (x, weight)
    with torch.no_grad(), OneDNN():
        y = F.linear(*args)
    assert len(calls) == 1
    torch.testing.assert_close(y, F.linear(*args), rtol=1e-5, atol=1e-4)


def test_where_it_is_no_faster_it_does_nothing(calls, monkeypatch):
    monkeypatch.setattr(onednn, "FASTER", False)
    with torch.no_grad(), OneDNN():
        F.linear(*layer())
    assert not calls


@needs
def test_modules_go_through_it(calls):
    net = torch.nn.Sequential(torch.nn.Linear(96, 128), torch.nn.ReLU())
    with torch.no_grad(), OneDNN():
        net(layer()[0])
    assert len(calls) == 1


@needs
def test_all_else_is_as_without_it(calls):
    x, weight, bias = layer()
    with OneDNN():
        F.linear(x[0], weight, bias)
        F.linear(*layer(rows=1))
        F.linear(*layer(dtype=torch.float64))
        with torch.autocast("cpu", torch.bfloat16):
            half = F.linear(x, weight, bias)
    assert not calls
    assert half.dtype == torch.bfloat16


def gradients(wanted, shape):
    """Of a layer's sum of squares, by each of its arguments that is wanted."""
    x, weight, bias = layer()
    args = [x.reshape(*shape), weight, bias]
    leaves = [a.requires_grad_() for a, w in zip(args, wanted, strict=True) if w]
    return torch.autograd.grad((F.linear(*args) ** 2).sum(), leaves)


@needs
@pytest.mark.parametrize("wanted", [(1, 1, 1), (0, 1, 1), (1, 0, 0), (1, 0, 1), (0, 1, 0)])
@pytest.mark.parametrize("shape", [(192, 96), (4, 48, 96)])
def test_gradients_are_the_layers(calls, wanted, shape):
    with OneDNN():
        ours = gradients(wanted, shape)
    assert len(calls) == 1 + wanted[0] + wanted[1]
    torch.testing.assert_close(ours, gradients(wanted, shape), rtol=1e-4, atol=1e-2)


@needs
def test_gradients_have_gradients(calls):
    def penalty():
        x, weight, bias = layer()
        x.requires_grad_(), weight.requires_grad_()
        slope = torch.autograd.grad(F.linear(x, weight, bias).pow(3).sum(), x, create_graph=True)
        return torch.autograd.grad(slope[0].pow(2).sum(), weight)[0]

    with OneDNN():
        ours = penalty()
    assert calls
    torch.testing.assert_close(ours, penalty(), rtol=1e-3, atol=1.0)


@needs
def test_transformed_functions_are_as_without_it(calls):
    x, weight, bias = layer()
    f = lambda v: F.linear(v, weight, bias)
    with OneDNN():
        torch.func.vmap(f)(x.reshape(4, 48, 96))
        torch.func.jvp(f, (x,), (x,))
        torch.func.grad(lambda v: f(v).sum())(x)
        with torch.autograd.forward_ad.dual_level():
            f(torch.autograd.forward_ad.make_dual(x, x))
    assert not calls


@needs
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_is_within_it(calls, tmp_path, precision):
    x = layer()[0]
    net = torch.nn.Linear(96, 128)
    how = Optimisation(1, 192, 1e-3, precision=precision)
    trainer = Trainer(tmp_path, 0, torch.device("cpu"), Progress(None))
    trainer.minimise("stage", net, lambda rows, _: net(x[rows]).pow(2).mean(), 192, how)
    assert len(calls) == (0 if computed(precision, x.device) == "bfloat16" else 2)


@needs
@pytest.mark.skipif(bool(lacking()), reason=f"needs {' and '.join(lacking())}")
def test_compiled_layers_are_its_too(calls, tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(96, 128), torch.nn.SiLU(), torch.nn.Linear(128, 128))
    x, plain = layer()[0], deepcopy(net)
    trainer = Trainer(tmp_path, 0, torch.device("cpu"), Progress(None))
    for module, compile in ((net, True), (plain, False)):
        calls.clear()
        loss = lambda rows, _, module=module: module(x[rows]).pow(2).mean()
        how = Optimisation(1, 192, 1e-3, compile=compile)
        trainer.minimise(f"stage {compile}", module, loss, 192, how)
        assert len(calls) == 5
    for ours, theirs in zip(net.parameters(), plain.parameters(), strict=True):
        assert (ours - theirs).abs().mean() < 1e-5  # of a step of 1e-3


def test_the_limit_is_by_products():
    assert 192 * 96 * 128 >= WORTH > 64 * 128 * 128


def test_without_the_operator_it_does_nothing(monkeypatch):
    monkeypatch.setattr(onednn, "LINEAR", None)
    monkeypatch.setattr(onednn, "FASTER", True)
    args = layer()
    with torch.no_grad(), OneDNN():
        assert torch.equal(F.linear(*args), F.linear(*args))


@needs
def test_generation_is_within_it(calls, tmp_path):
    class Linear:
        def possible(self, given, targets):
            return targets

        def embed(self, given):
            return given

        @torch.no_grad()
        def generate(self, given, targets, n, generator):
            F.linear(*layer())
            return {m: torch.zeros(n, 4) for m in targets}

    cpu, split = torch.device("cpu"), Split({"x": torch.zeros(2, 4)})
    dataset = Dataset("toy", (Modality("x", "trajectory", (4,)),), split, split)
    context = Context(cpu, tmp_path, Progress(None))
    generate(Linear(), dataset, (), torch.arange(2), 0, context)
    assert len(calls) == 1
    draw(Linear(), {}, ["x"], 2, 0, cpu)
    assert len(calls) == 2
