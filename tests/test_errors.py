"""What a message says about an error that arose in the user's own code."""

import pytest

from mmbench.errors import sentence


def inner():
    return {}["absent"]


def outer():
    return inner()


def test_lines_of_own_code_end_with_the_error_as_in_a_traceback():
    with pytest.raises(KeyError) as raised:
        outer()
    *lines, last = sentence(raised.value).splitlines()
    assert "KeyError: 'absent'" in last
    assert [line.partition(": ")[2] for line in lines[-2:]] == [
        "return inner()",
        'return {}["absent"]',
    ]
