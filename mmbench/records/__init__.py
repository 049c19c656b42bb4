"""Records: one file a run, how it is read, named, and what it was measured with."""
