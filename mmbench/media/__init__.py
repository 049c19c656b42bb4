"""Media: how pictures, sounds and texts are drawn, written and read."""

PANELS = "mmbench:panels"
"""The keyword of a PNG's text that says where its panels lie."""
