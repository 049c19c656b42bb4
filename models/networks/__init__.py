"""Encoders and decoders, one file per data set, shared by every model and baseline."""
