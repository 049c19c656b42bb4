"""What the multi-modal VAEs share: an encoder and a decoder for each modality, one latent z."""

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture, independent
from mmbench.baselines.mixture_prior import MixturePrior, PostHoc, library
from mmbench.baselines.posteriors import Gaussian, Laplace, stack
from mmbench.core.data import Batch, Modality, Split
from mmbench.core.likelihood import Output
from mmbench.core.model import Embedded, LatentModel
from mmbench.protocols.arguments import at_least
from mmbench.registry import expect_modalities
from mmbench.seeds import stream
from mmbench.training.memory_format import LaidOut
from mmbench.training.trainer import Optimisation, Trainer

CACHED = 2**18
"""Values of a modality that a CPU computes at a time, so that a network's activations stay in a
core's cache. Decoders of pictures and sounds are 1.4 to 2 times as fast as with 1,000
examples at once."""
ROWS = 1024  # examples at a time on any other device

Expert = Gaussian | Laplace


class MultimodalVAE(LaidOut, LatentModel):
    """p(z) Π p(xᵐ | z), with an approximate posterior for any subset of modalities.

    Args:
        modalities: The data set's.
        architectures: Networks and likelihood of each modality.
        latent: D, the size of z.
        training: How it is trained.
        beta: β, the weight of the divergence from the prior.
        weights: Modality -> factor of its log-likelihood; 1 by default.
        joint: A mixture fitted to the posterior, from which joint generation draws z instead of
            the prior.
        annealing: Epochs over which β rises from 0. A posterior that ignores its input from the
            first steps on may otherwise do so to the end.
    """

    takes_incomplete = True
    step: Tensor

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        latent: int,
        training: Optimisation,
        beta: float = 1.0,
        weights: dict[str, float] | None = None,
        joint: PostHoc | None = None,
        annealing: int = 0,
    ) -> None:
        super().__init__()
        self.names = [m.name for m in modalities]
        expect_modalities(weights or {}, self.names, "weights")
        at_least(1, latent=latent)
        at_least(0, beta=beta, annealing=annealing)
        at_least(0, **{f"weights.{m}": x for m, x in (weights or {}).items()})
        self.latent, self.training_settings = latent, training
        self.beta, self.annealing = beta, annealing
        self.weights = [(weights or {}).get(m, 1.0) for m in self.names]
        self.architectures = architectures
        self.build()
        # Steps taken: part of the state, so that what is annealed resumes where it was.
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        size = self.prior(1).mean.shape[1]
        self.joint = None if joint is None else MixturePrior(size, joint.components)

    def build(self) -> None:
        """Makes the networks: here an encoder to 2 D values and a decoder a modality."""
        parts = [(m, self.architectures[m]) for m in self.names]
        self.encoders = nn.ModuleDict({m: a.encoder(2 * self.latent) for m, a in parts})
        self.decoders = nn.ModuleDict({m: a.decoder(self.latent) for m, a in parts})

    def fit(self, train: Split, trainer: Trainer) -> None:
        """Maximises the objective in one stage.

        Raises:
            ImportError: scikit-learn, which fits the mixture, is not installed.
            ValueError: Too few examples lack nothing for the mixture to be fitted to.
            FloatingPointError: The loss is not finite.
        """
        if self.joint is not None:
            library()
            found, K = len(train.complete(self.names)), len(self.joint.weights)
            if found < K:
                few = f"{found} training examples lack no modality"
                raise ValueError(f"{few}, expected at least {K} to fit joint.components to")
        how, content = self.training_settings, self.content(train)
        self.steps_per_epoch = how.per_epoch(len(train))
        present = torch.stack([train.present(m) for m in self.names]).float()  # (M, N)

        def loss(rows: Tensor, noise: torch.Generator) -> Tensor:
            x = train.batch(rows, self.names)
            value = -self.objective(x, present[:, rows], noise)
            self.step += 1
            return value

        trainer.minimise("vae", self, loss, len(train), how, content=content)
        if self.joint is not None:
            self.joint.fit(self._means(train, trainer.seed), trainer.seed)

    def content(self, train: Split) -> list[object] | None:
        """What training depends on, for runs that share it (see `Trainer.minimise`).

        None for a method without settings that matter only after training.
        """
        return None

    @torch.no_grad()
    def _means(self, train: Split, seed: int) -> Tensor:
        """The posterior means of the training examples that lack nothing, (N, D)."""
        whole = train.complete(self.names).split(ROWS)
        noise = stream(seed, "posterior means", device=train.device)
        parts = [self.embed(train.batch(rows, self.names)) for rows in whole]
        return torch.cat([self.posterior(x, noise).mean for x in parts])

    @abstractmethod
    def objective(self, x: Batch, present: Tensor, noise: torch.Generator) -> Tensor:
        """What training maximises, mean over the batch.

        Args:
            x: modality -> (B, *shape), zeros where absent.
            present: (M, B), 1 where an example has a modality.
            noise: Source of all randomness.
        """

    @abstractmethod
    def posterior(self, given: Batch, noise: torch.Generator) -> Expert:
        """q(z | x_S) for the modalities given (at least one), (B, D).

        For a mixture it is a component drawn for each example.
        """

    def prior(self, n: int) -> Expert:
        """p(z), n times: (n, D)."""
        zero = torch.zeros(n, self.latent, device=self.step.device)
        return Gaussian(zero, zero)

    def together(self, name: str) -> int:
        """How many examples of a modality the networks see at a time outside training."""
        if self.step.device.type != "cpu":
            return ROWS
        return max(1, CACHED // math.prod(self.architectures[name].modality.shape))

    @torch.no_grad()
    def encode(self, given: Batch, n: int, generator: torch.Generator) -> Tensor:
        """Samples z given some modalities, from the prior given none: (n, D)."""
        expect_modalities(given, self.names)
        if given:
            return self.posterior(self.embed(given), generator).sample(generator)
        if self.joint is not None:
            return self.joint.sample(n, generator)
        return self.prior(n).sample(generator)

    @torch.no_grad()
    def decode(self, z: Tensor, targets: Sequence[str]) -> Batch:
        """Decodes latents (n, D)."""
        out = {}
        expect_modalities(targets, self.names)
        for m in targets:
            show, parts = self.architectures[m].show, z.split(self.together(m))
            out[m] = torch.cat([show(self.output(m, c)).contiguous() for c in parts])
        return out

    @torch.no_grad()
    def embed(self, given: Batch) -> Embedded:
        """The encoders' outputs for the modalities given, the same for all subsets."""
        if isinstance(given, Embedded):
            return given
        out = {}
        for m in self.names:
            if m in given:
                parts = given[m].split(self.together(m))
                out[m] = torch.cat([self.read(m, c) for c in parts])
        return Embedded(out)

    def encoded(self, x: Batch) -> Embedded:
        """The encoders' outputs for a training batch; what is embedded already is returned."""
        if isinstance(x, Embedded):
            return x
        return Embedded({m: self.read(m, x[m]) for m in self.names if m in x})

    def read(self, name: str, x: Tensor) -> Tensor:
        """The output of a modality's encoders, (B, outputs)."""
        return self.encoders[name](x)

    def output(self, name: str, z: Tensor) -> Output:
        """The output of a modality's decoder for z (B, D), as its likelihood takes it."""
        return self.decoders[name](z)

    def experts(self, x: Batch, present: Tensor | None = None) -> Gaussian:
        """q(z | xᵐ) of each modality in x, in the order of `names`: (len(x), B, D).

        An expert that `present` (len(x), B) says is absent has an infinite variance.
        """
        y = self.encoded(x)
        found = stack([Gaussian.of(y[m]) for m in self.names if m in y])
        if present is None:
            return found
        missing = (present == 0)[..., None]
        return Gaussian(found.mean, found.log_variance.masked_fill(missing, torch.inf))

    def log_likelihood(self, z: Tensor, x: Batch, present: Tensor) -> Tensor:
        """Weighted Σ log p(xᵐ | z) over the modalities in x, (..., B) for z (..., B, D).

        A term counts where `present` (M, B) is 1.
        """
        total = torch.zeros(z.shape[:-1], device=z.device)
        for i, m in enumerate(self.names):
            if m in x:
                total = total + present[i] * self.weights[i] * self.log_prob(m, z, x[m])
        return total

    def log_prob(self, name: str, z: Tensor, x: Tensor) -> Tensor:
        """Log p(xᵐ | z), (..., B) for z (..., B, D) and x (B, *shape)."""
        apart = independent(self.decoders[name])
        return self.architectures[name].log_prob(lambda c: self.output(name, c), z, x, apart)

    @torch.no_grad()
    def log_marginal(self, x: Batch, samples: int, noise: torch.Generator) -> Tensor:
        """Log p(x) of complete examples by importance sampling, (B,).

        log 1/K Σ p(x, z) / q(z | x) is a lower bound in expectation, tight as K grows (Burda,
        Grosse and Salakhutdinov, Importance weighted autoencoders, 2016,
        https://arxiv.org/abs/1509.00519). Weights of likelihoods do not enter.

        Args:
            x: Every modality -> (B, *shape).
            samples: K.
            noise: Source of the samples.
        """
        z, log_q = self.draw(self.embed(x), samples, noise)  # (K, B, D), (K, B)
        log_w = self.prior(1).log_prob(z) - log_q
        for m in self.names:
            parts = z.split(max(1, self.together(m) // z.shape[1]))
            log_w = log_w + torch.cat([self.log_prob(m, c, x[m]) for c in parts])
        return log_w.logsumexp(0) - math.log(samples)

    def draw(self, x: Batch, samples: int, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Samples z (K, B, D) of q(z | x) and their log-densities (K, B)."""
        q = self.posterior(x, noise)
        z = q.sample(noise, (samples,))
        return z, q.log_prob(z)

    def annealed_beta(self) -> float:
        """β in the current step of training."""
        return self.beta * self.annealed(self.annealing)

    def annealed(self, epochs: int) -> float:
        """A factor that rises from 0 to 1 over the first epochs, linearly in steps."""
        if epochs == 0:
            return 1.0
        return min(1.0, self.step.item() / (epochs * self.steps_per_epoch))
