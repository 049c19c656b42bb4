"""What a decoder returns, and how likely it makes an example.

Distributions factorise over the elements of an example, but for a text that is drawn in turn.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Distribution = Literal["normal", "laplace", "bernoulli", "categorical"]


@dataclass(frozen=True)
class InTurn:
    """The output of a decoder that draws a text token by token, for latents (B, latent).

    Other decoders return logits; here the logits of a token depend on the tokens before it.

    Attributes:
        logits: Tokens (B, L) -> (B, L, words), each from the latent and the tokens before it.
        draw: () -> tokens (B, L), the most probable one in turn.
    """

    logits: Callable[[Tensor], Tensor]
    draw: Callable[[], Tensor]


Output = Tensor | InTurn
"""What a decoder returns, and a `Likelihood` takes."""


@dataclass(frozen=True)
class Likelihood:
    """log p(x | decoder output).

    Attributes:
        distribution: "normal" and "laplace" take the output as their location; "bernoulli" as
            logits, "categorical" as logits of the tokens of x, over one more axis, the last.
        scale: The scale of a Laplace, or the standard deviation of a normal distribution. The
            squared error without a factor, which several papers use, is the normal of scale
            sqrt(1/2).
    """

    distribution: Distribution
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ValueError(f"the scale of a likelihood is {self.scale}, expected more than 0")

    def log_prob(self, output: Output, x: Tensor) -> Tensor:
        """Log-likelihood (B,) of examples x (B, *shape) in nats, summed over their elements.

        The decoder's output is (B, *shape), and (B, *shape, words) or `InTurn` for tokens.

        Raises:
            ValueError: Tokens that are drawn in turn have a likelihood other than "categorical",
                or the output has another shape.
        """
        if isinstance(output, InTurn):
            if self.distribution != "categorical":
                tokens = "the likelihood of tokens that are drawn in turn"
                raise ValueError(f"{tokens} is {self.distribution!r}, expected 'categorical'")
            output = output.logits(x)
        logits = self.distribution == "categorical"
        if output.shape[: output.ndim - logits] != x.shape:
            wanted = (*x.shape, "words") if logits else tuple(x.shape)
            raise ValueError(f"a decoder returned {tuple(output.shape)}, expected {wanted}")
        b, output = self.scale, full_precision(output)
        if self.distribution == "laplace":
            log_p = -(x - output).abs() / b - math.log(2 * b)
        elif self.distribution == "normal":
            log_p = -((x - output) ** 2) / (2 * b**2) - math.log(b * math.sqrt(2 * math.pi))
        elif self.distribution == "bernoulli":
            log_p = -F.binary_cross_entropy_with_logits(output, x, reduction="none")
        else:
            log_p = -F.cross_entropy(output.movedim(-1, 1), x, reduction="none")
        return log_p.flatten(1).sum(1)

    def point(self, output: Output) -> Tensor:
        """The sample that is shown, (B, *shape): the mean, or the most probable tokens."""
        if isinstance(output, InTurn):
            return output.draw()
        if self.distribution == "bernoulli":
            return output.sigmoid()
        return output.argmax(-1) if self.distribution == "categorical" else output


def full_precision(output: Tensor) -> Tensor:
    """An output (B, ...) of a network under autocast in float32; other types stay as they are.

    Networks keep their quality at half precision. Densities, which are sums of many terms and
    ratios of variances, do not.
    """
    return output.to(torch.promote_types(output.dtype, torch.float32))
