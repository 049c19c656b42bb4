"""Multi-modal variational autoencoders, the methods that diffusion is compared with."""
