"""What objectives are compared with: closed forms and integrals from the papers, in float64 numpy.

Nothing here uses the package. Linear networks make every expectation under a Gaussian exact: the
objectives' averages over their own noise must agree with these within a few standard errors.
"""

from itertools import combinations

import numpy as np

ERRORS = 5
"""Standard errors by which a Monte-Carlo mean may be off; seeds are fixed."""


def array(x):
    """A tensor in double precision."""
    return x.detach().double().numpy()


def linear(layer, x):
    """What a linear layer makes of x (..., inputs)."""
    return x @ array(layer.weight).T + array(layer.bias)


def subsets(names):
    """All non-empty subsets."""
    return [s for k in range(1, len(names) + 1) for s in combinations(names, k)]


def gaussian(output):
    """Mean and variance from an encoder's output, mean then log-variance."""
    mean, log_variance = np.split(output, 2, -1)
    return mean, np.exp(log_variance)


def laplace(output):
    """Mean and scale from an encoder's output; scales are 1 on average."""
    mean, logits = np.split(output, 2, -1)
    share = np.exp(logits)
    return mean, logits.shape[-1] * share / share.sum(-1, keepdims=True)


def kl(mean, variance, other_mean=0.0, other_variance=1.0):
    """KL of independent normal distributions, by default from N(0, I)."""
    ratio, square = variance / other_variance, (mean - other_mean) ** 2 / other_variance
    return (ratio + square - 1 - np.log(ratio)).sum(-1) / 2


def product(experts):
    """The normalised product of Gaussian experts, each (mean, variance)."""
    precision = sum(1 / v for _, v in experts)
    return sum(m / v for m, v in experts) / precision, 1 / precision


def log_normal(x, mean, deviation):
    """Log-density of independent normal distributions, summed over the last axis."""
    z = (x - mean) / deviation
    return (-(z**2) / 2 - np.log(deviation) - np.log(2 * np.pi) / 2).sum(-1)


def log_laplace(x, mean, scale):
    """Log-density of independent Laplace distributions, summed over the last axis."""
    return (-np.abs(x - mean) / scale - np.log(2 * scale)).sum(-1)


def expected_log_normal(x, decoder, deviation, mean, variance):
    """E log N(x; W z + b, deviation²) over z ~ N(mean, variance), exactly."""
    spread = (array(decoder.weight) ** 2 * variance).sum() / (2 * deviation**2)
    return log_normal(x, linear(decoder, mean), deviation) - spread


def alpha(t, low=0.1, high=20.0):
    """The scale of the data at time t: exp of minus half the integral of β from 0 to t."""
    return np.exp(-(low * t + (high - low) * t**2 / 2) / 2)


def sigma(t, low=0.1, high=20.0):
    """The deviation of the noise at time t."""
    return np.sqrt(1 - alpha(t, low, high) ** 2)


def integral(f, low, high, nodes=60):
    """Of f over an interval, by Gauss and Legendre."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    half = (high - low) / 2
    return half * sum(wi * f(low + half * (xi + 1)) for xi, wi in zip(x, w, strict=True))


def mean_and_error(draws):
    """The mean of independent draws, and its standard error."""
    draws = np.asarray(draws, dtype=float)
    return draws.mean(), draws.std(ddof=1) / len(draws) ** 0.5
