"""Networks that metrics look through: pretrained, or trained on the data."""
