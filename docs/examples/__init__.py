"""Examples that are shipped with mmbench: `mmbench new` makes skeletons of them."""
