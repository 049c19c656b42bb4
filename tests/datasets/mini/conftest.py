"""`facts`: what the captions of drawn birds assert."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def facts():
    """Reads back what a caption asserts: words -> {attribute: value}."""
    from assertions import facts

    return facts
