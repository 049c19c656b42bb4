import pytest

from mmbench.leaderboard.claims.verdicts import number
from mmbench.leaderboard.rows import Mean


@pytest.mark.parametrize(
    ("of", "text"),
    [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (-43.21, "-43.2"),
        (999_999.0, "999999.0"),
        (1e6, "1.00e+06"),
        (0.567, "0.57"),
        (0.0567, "0.057"),
        (0.00567, "0.0057"),
        (0.000567, "0.0006"),
        (0.0000567, "0.0001"),
        (Mean(0.5, 0.0321), "0.50 ± 0.03"),
        (Mean(0.05, 12.34), "0.1 ± 12.3"),
    ],
)
def test_a_number_has_two_digits_but_at_most_four_decimals(of, text):
    """Its deviation has as many decimals."""
    assert number(of) == text
