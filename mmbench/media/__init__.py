"""Media: how pictures, sounds and texts are drawn, written and read."""
