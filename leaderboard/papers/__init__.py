"""The papers' tables: their shapes, their numbers, and ours beside them."""
