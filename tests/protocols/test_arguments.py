from dataclasses import replace

import pytest

from mmbench.protocols.arguments import construct
from mmbench.training.trainer import Optimisation

HOW = {"epochs": 1, "batch_size": 2, "learning_rate": 1}


def model(first, *, size: int | dict[str, int], how: Optimisation, names: list[str] | None = None):
    return first, size, how, names


def test_construct_builds_nested_tables():
    first, size, how, names = construct(model, {"size": {"a": 3}, "how": HOW}, "models.x", "F")
    assert (first, size, names) == ("F", {"a": 3}, None)
    assert how == Optimisation(1, 2, 1.0)
    assert isinstance(how.learning_rate, float)


USUAL = Optimisation(3, 128, 1e-3, ema=0.9)


def trained(first, *, how: Optimisation = USUAL):
    return how


def test_a_table_begins_with_the_default():
    how = construct(trained, {"how": {"epochs": 1}}, "models.x", "F")
    assert how == replace(USUAL, epochs=1)
    with pytest.raises(ValueError, match="how has no setting 'epoch'; did you mean"):
        construct(trained, {"how": {"epoch": 1}}, "models.x", "F")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"size": 1, "how": HOW, "sise": 2}, "no setting 'sise'; did you mean 'size'"),
        ({"size": 1}, "models.x lacks the setting 'how'"),
        ({"size": "big", "how": HOW}, "size is 'big', expected a whole number or a table"),
        ({"size": True, "how": HOW}, "models.x.size is True"),
        ({"size": 1, "how": 3}, "models.x.how is 3, expected a table"),
        ({"size": 1, "how": {**HOW, "epochs": 1.5}}, "epochs is 1.5, expected a whole"),
        ({"size": 1, "how": {**HOW, "epoch": 1}}, "how has no setting 'epoch'; did you"),
        ({"size": 1, "how": {**HOW, "schedule": "cosin"}}, "is 'cosin'; did you mean 'cosine"),
        ({"size": 1, "how": {**HOW, "ema": 2}}, r"models.x.how: ema is 2.0, expected a decay"),
        ({"size": 1, "how": HOW, "names": [1]}, r"models.x.names\[0\] is 1, expected text"),
        ({"size": 1, "how": HOW, "names": 1}, "models.x.names is 1, expected a list of texts$"),
    ],
)
def test_construct_refuses_what_does_not_fit(table, words):
    with pytest.raises(ValueError, match=words):
        construct(model, table, "models.x", "F")
