"""`python -m mmbench` is `mmbench`."""

from mmbench.cli import main

main(prog_name="mmbench")
