"""Spoken digits and their mel spectrograms: what MHD's twin sounds like."""
