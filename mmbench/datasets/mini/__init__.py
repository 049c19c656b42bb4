"""Procedural twins of the papers' data sets: nothing to download, seconds to make.

Each has a function `make`. Equal arguments give equal bits: the numbers `train` and `test` of
examples, and the `seed` of every random stream. It reports to `progress`, by default to nobody.
The `VERSION` of a twin is raised whenever its content changes; the cache is then made again.

Products and functions such as exp differ in the last bits from processor to processor, by vector
width and by BLAS. They are taken in double precision, and what comes of them is rounded
afterwards, to float32 or to a byte: so the same bits are made everywhere, and results of different
machines are results on the same data.
"""
