"""Parts of methods: autoencoders, decoders, U-Nets, and what trains them."""
