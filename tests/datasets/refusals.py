"""What a loader says when it refuses a folder."""

import pytest


def refusal(load, folder, cache, error=ValueError):
    """The one line of a load that fails: it names the folder, and nothing is left behind."""
    with pytest.raises(error) as caught:
        load(folder, cache)
    assert not cache.exists() or not list(cache.iterdir())
    message = str(caught.value)
    assert "\n" not in message and str(folder) in message
    return message
