"""Sentences that are read and written one token after the other."""

import itertools
import math

import pytest
import torch

from mmbench.core.data import Modality
from mmbench.core.likelihood import Likelihood
from mmbench.models.networks.generic import SentenceDecoder, SentenceEncoder

WORDS, LENGTH, LATENT = ("<exc>", "<eos>", "red", "bird"), 3, 4
TEXT = Modality("text", "text", (LENGTH,), WORDS)


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return SentenceDecoder(TEXT, LATENT).eval()


@pytest.fixture
def z():
    return 3 * torch.randn(16, LATENT, generator=torch.Generator().manual_seed(1))


def test_what_is_drawn_is_the_most_probable_token_in_turn(decoder, z):
    drawn = decoder(z).draw()
    assert torch.equal(decoder(z).logits(drawn).argmax(-1), drawn)
    assert len(drawn.unique(dim=0)) > 1


def test_probabilities_of_all_texts_sum_to_one(decoder, z):
    every = torch.tensor([*itertools.product(range(len(WORDS)), repeat=LENGTH)])
    rows = z[:1].expand(len(every), -1)
    likelihood = Likelihood("categorical").log_prob(decoder(rows), every).detach()
    assert math.isclose(float(likelihood.exp().sum()), 1, rel_tol=1e-5)


def test_a_token_sees_those_before_it_alone(decoder, z):
    tokens = torch.zeros(16, LENGTH, dtype=torch.int64)
    other = tokens.clone()
    other[:, 1] = 2
    a, b = decoder(z).logits(tokens), decoder(z).logits(other)
    assert torch.equal(a[:, :2], b[:, :2])
    assert not torch.isclose(a[:, 2], b[:, 2]).all()
    assert not torch.isclose(a, decoder(z.flip(0)).logits(tokens)).all()


def test_words_are_left_out_in_training_alone(decoder, z):
    tokens = torch.full((16, LENGTH), 2)
    assert torch.equal(decoder(z).logits(tokens), decoder(z).logits(tokens))
    decoder.train()
    assert not torch.equal(decoder(z).logits(tokens), decoder(z).logits(tokens))


def test_the_place_of_a_word_matters_to_the_latent():
    torch.manual_seed(0)
    codes = SentenceEncoder(TEXT, LATENT)(torch.tensor([[2, 3, 1], [3, 2, 1]]))
    assert not torch.isclose(codes[0], codes[1]).all()
