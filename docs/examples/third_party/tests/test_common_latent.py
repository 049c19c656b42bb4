from mmbench.testing import model_checks

test_common_latent = model_checks("common_latent:CommonLatent")
