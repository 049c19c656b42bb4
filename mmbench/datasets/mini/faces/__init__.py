"""Drawn faces, their hair and masks: what CelebAMask-HQ's twins show."""
