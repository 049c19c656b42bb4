"""Digits as handwriting, house numbers and type, and textures behind them."""
