"""FMD, the Fréchet modality distance: as FID, on the features of the data set's own networks.

Bounoua, Franzese and Michiardi, "Multi-modal latent diffusion", 2024,
https://doi.org/10.3390/e26040320, appendix C.2.2, report it for MNIST and for MHD's images and
trajectories, through their classifiers. Here every modality has one for which the data set
teaches a network (see `mmbench.metrics.extractors.own_network`); for RGB images and for sound that
is an addition to the paper, which reports FID and FAD there.
"""

from functools import partial

from mmbench.core.score import Metric
from mmbench.metrics.extractors.own_network import own_network
from mmbench.metrics.statistics.features import anything, compare
from mmbench.metrics.statistics.frechet import feature_distance

fmd = Metric(
    name="fmd",
    title="FMD",
    better="lower",
    unit="",
    paper="Bounoua, Franzese and Michiardi, Multi-modal latent diffusion, 2024, "
    "https://doi.org/10.3390/e26040320",
    low=0.0,
    judge="own",
    least=2,
    geometric=True,
    compute=partial(compare, "fmd", feature_distance, concerns=anything, through=own_network),
)
