"""Each check finds its fault, in a sentence, and none in a model that has none."""

import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from mmbench.core.model import Embedded, Model
from mmbench.testing.__main__ import check as command
from mmbench.testing.brief import briefly_trained, faults
from mmbench.testing.checks import CHECKS
from mmbench.testing.subject import Subject
from mmbench.testing.toy import toy


class Sound(Model):
    """Noise about the mean of what is given."""

    def __init__(self, modalities):
        super().__init__()
        self.shapes = {m.name: m.shape for m in modalities}
        self.weight = nn.Parameter(torch.tensor(0.5))
        self.register_buffer("learnt", torch.zeros(()))

    def fit(self, train, trainer):
        self.learnt.fill_(0.25)

    def level(self, given, n):
        zero = torch.zeros(n)
        return sum((given[m].flatten(1).mean(1) for m in self.shapes if m in given), zero) / 3

    def generate(self, given, targets, n, generator):
        level = self.level(given, n)
        out = {}
        for m in targets:
            noise = torch.rand(n, *self.shapes[m], generator=generator)
            out[m] = noise * self.weight + self.learnt * level.view(n, *[1] * len(self.shapes[m]))
        return out


class Wide(Sound):
    def generate(self, given, targets, n, generator):
        return {m: 3 * x for m, x in super().generate(given, targets, n, generator).items()}


class Infinite(Sound):
    def generate(self, given, targets, n, generator):
        return {m: x / 0 for m, x in super().generate(given, targets, n, generator).items()}


class Flat(Sound):
    def generate(self, given, targets, n, generator):
        made = super().generate(given, targets, n, generator)
        return {m: x.flatten(1) for m, x in made.items()} if given else made


class Several(Sound):
    def generate(self, given, targets, n, generator):
        return {m: x.squeeze(0) for m, x in super().generate(given, targets, n, generator).items()}


class Careless(Sound):
    def generate(self, given, targets, n, generator):
        return super().generate(given, targets, n, torch.default_generator)


class Constant(Sound):
    def generate(self, given, targets, n, generator):
        return super().generate(given, targets, n, torch.Generator().manual_seed(0))


class Crowd(Sound):
    def level(self, given, n):
        return super().level(given, n).mean().expand(n)


class Ordered(Sound):
    def level(self, given, n):
        return given[next(iter(given))].flatten(1).mean(1) if given else torch.zeros(n)


class Counting(Sound):
    def generate(self, given, targets, n, generator):
        self.learnt += 1e-3
        return super().generate(given, targets, n, generator)


class Greedy(Sound):
    def level(self, given, n):
        return super().level({m: x.mul_(0.5) for m, x in given.items()}, n)


class Differentiable(Sound):
    def generate(self, given, targets, n, generator):
        with torch.enable_grad():
            return super().generate(given, targets, n, generator)


class Steep(Sound):
    def generate(self, given, targets, n, generator):
        with torch.enable_grad():
            self.weight.square().backward()
        return super().generate(given, targets, n, generator)


class Training(Sound):
    def generate(self, given, targets, n, generator):
        self.train()
        return super().generate(given, targets, n, generator)


class Forgetful(Sound):
    scale = 1.0

    def fit(self, train, trainer):
        super().fit(train, trainer)
        self.scale = 0.5

    def level(self, given, n):
        return super().level(given, n) * self.scale + 0.1 * self.scale


class Growing(Sound):
    def fit(self, train, trainer):
        super().fit(train, trainer)
        self.register_buffer("more", torch.zeros(2))


class Astray(Sound):
    def embed(self, given):
        return Embedded({m: x + 0.1 for m, x in given.items()})


class Rooted(Sound):
    def __init__(self, modalities):
        super().__init__(modalities)
        self.bounds = [torch.zeros(1)]


class Free(Sound):
    evaluations = 0


@pytest.fixture(scope="module")
def subject():
    """Class -> a subject with a trained model of it."""
    data = toy()

    def of(kind):
        build = lambda: kind(data.modalities)
        model = build()
        model.fit(data.train, None)
        return Subject(model.eval(), data, build)

    return of


@pytest.mark.parametrize("check", CHECKS)
def test_a_right_model_passes(subject, check):
    assert faults(subject(Sound), check) == []


@pytest.mark.parametrize(
    ("kind", "check", "words"),
    [
        (Wide, "any subset", "expected 0 to 1: return parts['image'].show(output)"),
        (Infinite, "any subset", "not finite"),
        (Flat, "any subset", "drew image of shape (3, 784), expected (3, 1, 28, 28)"),
        (Several, "one example", "expected (1, 1, 28, 28)"),
        (Careless, "generator alone", "pass generator=generator"),
        (Constant, "generator alone", "by every generator"),
        (Crowd, "rows alone", "if other examples are in the batch"),
        (Ordered, "order of given", "in another order"),
        (Counting, "nothing changed", "changes learnt"),
        (Greedy, "nothing changed", "changes the image that it is given"),
        (Differentiable, "nothing changed", "returns image with its gradients"),
        (Steep, "nothing changed", "computes gradients of weight"),
        (Training, "nothing changed", "leaves the training mode on"),
        (Forgetful, "weights are all", "has to be a parameter or a buffer"),
        (Growing, "weights are all", "do not fit one that is built anew"),
        (Astray, "embedded", "embed each modality by itself"),
        (Rooted, "device moves", "Rooted.bounds is a tensor that stays behind"),
        (Free, "evaluations counted", "evaluations is 0, expected a whole number"),
    ],
)
def test_a_fault_is_told(subject, kind, check, words):
    found = faults(subject(kind), check)
    assert any(words in line for line in found), found
    assert all(kind.__name__ in line for line in found)


@pytest.mark.parametrize("check", sorted({*CHECKS} - {"generator alone"}))
def test_what_is_drawn_by_chance_is_one_fault_alone(subject, check):
    assert faults(subject(Careless), check) == []


FIXED = """
import torch
from mmbench.core import Model

class Fixed(Model):
    def __init__(self, modalities, parts):
        super().__init__()
        self.shapes = {m.name: m.shape for m in modalities}
        self.net = torch.nn.Linear(200, 1)
    def fit(self, train, trainer):
        for m in list(self.shapes)[1:2]:
            self.net(train.batch(torch.arange(4), [m])[m])
    def generate(self, given, targets, n, generator):
        return {m: torch.rand(n, *self.shapes[m], generator=generator) for m in targets}
"""


def test_a_model_of_one_shape_alone_is_told_or_refuses_others(tmp_path):
    file = tmp_path / "fixed_shapes.py"
    file.write_text(FIXED)
    subject = briefly_trained(f"{file}:Fixed")
    (told,) = faults(subject, "other shapes")
    assert "fixed_shapes.py, line 12" in told
    refuses = tmp_path / "refusing_shapes.py"
    check = "super().__init__()\n        if len(modalities) != 3: raise ValueError('three')"
    refuses.write_text(FIXED.replace("super().__init__()", check))
    assert faults(briefly_trained(f"{refuses}:Fixed"), "other shapes") == []


def test_an_error_of_own_code_shows_its_own_lines(tmp_path, monkeypatch):
    file = tmp_path / "own_error.py"
    file.write_text(FIXED.replace("[1:2]", "[:1]"))
    told = CliRunner().invoke(command, [f"{file}:Fixed"])
    assert told.exit_code == 1 and "Traceback" not in told.output
    assert "RuntimeError" in told.output and "line 12, in fit: self.net(" in told.output
    monkeypatch.setenv("MMBENCH_DEBUG", "1")
    assert isinstance(CliRunner().invoke(command, [f"{file}:Fixed"]).exception, RuntimeError)


OWN = """
import torch
from mmbench.core import Model

class Noise(Model):
    def __init__(self, modalities, parts, *, high: float = 1.0):
        super().__init__()
        self.shapes, self.high = {m.name: m.shape for m in modalities}, high
    def fit(self, train, trainer):
        pass
    def generate(self, given, targets, n, generator):
        return {m: torch.rand(n, *self.shapes[m], generator=generator) * self.high
                for m in targets}
"""


def test_the_command_reports_faults_and_says_so_in_its_status(tmp_path):
    (tmp_path / "checked_here.py").write_text(OWN)
    place = f"{tmp_path / 'checked_here.py'}:Noise"
    done = CliRunner().invoke(command, [place])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("right") == len(CHECKS)
    high = ["--set", "models.checked_here.py:Noise.high=2.0"]
    done = CliRunner().invoke(command, [place, *high])
    assert done.exit_code == 1
    assert "Noise.generate drew image given nothing from" in done.output
    done = CliRunner().invoke(command, [f"{place}s"])
    assert done.exit_code == 1 and "has no 'Noises'; did you mean 'Noise'?" in done.output


def test_no_line_of_ours_is_shown_as_the_user_s(tmp_path):
    (tmp_path / "own.py").write_text("class Mine: pass\n")
    command = [sys.executable, "-m", "mmbench.testing", f"{tmp_path}/own.py:Mien"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "did you mean 'Mine'?" in done.stderr
    assert "__main__.py" not in done.stderr
