"""Tests; a package, so that `python -m tests.fuzz` finds this one before an installed one."""
