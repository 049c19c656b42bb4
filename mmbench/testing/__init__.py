"""Checks that every model must pass, for one's own: on the command line and in one's own tests.

`python -m mmbench.testing my_file.py:MyModel` reports what is wrong, each fault in a sentence;
`test_my_model = model_checks("my_file.py:MyModel")` makes pytest run a test for each check.
"""

from mmbench.testing.brief import briefly_trained, model_checks
from mmbench.testing.checks import CHECKS
from mmbench.testing.subject import Subject

__all__ = ["CHECKS", "Subject", "briefly_trained", "model_checks"]
