"""Results compared with a reference file, for CI."""
