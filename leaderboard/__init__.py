"""Tables of measured results."""
