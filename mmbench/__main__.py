"""`python -m mmbench` is `mmbench`."""

from mmbench.cli.main import main

main(prog_name="mmbench")
