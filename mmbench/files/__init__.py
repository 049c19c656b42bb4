"""Files: written whole or not at all, transferred, unpacked, and tensors in them."""
