"""Evaluation networks: pretrained, or trained on the data set."""
