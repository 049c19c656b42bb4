"""Every metric as a function of tensors, arrays or folders, without a run, a protocol or a record.

    from mmbench import scores

    scores.fid("drawn", "photos")                      # folders of pictures
    scores.kid(drawn, real)                            # images (N, 3, H, W)
    scores.recall(features, real_features)             # features (N, d) of any network
    scores.fmd({"sound": drawn}, data)                 # by the data set's own network
    scores.coherence({"image": x, "sound": y}, data)   # as `generate` returns them

Images are floats in [0, 1] or whole numbers from 0 to 255. Where a data set comes second, its own
networks judge: the samples are then a dictionary of modality -> (N, *shape), and the test examples
are the real side. What a metric is, and what it equals, its module in `mmbench.metrics` says.
"""

from mmbench.scores.captions import clip_s, mid
from mmbench.scores.classes import class_entropy, coherence, fmd, log_likelihood
from mmbench.scores.images import fid, fid_infinity, kid, precision, recall
from mmbench.scores.reconstructions import f1, mse, ssim
from mmbench.scores.sounds import fad

__all__ = [
    "class_entropy",
    "clip_s",
    "coherence",
    "f1",
    "fad",
    "fid",
    "fid_infinity",
    "fmd",
    "kid",
    "log_likelihood",
    "mid",
    "mse",
    "precision",
    "recall",
    "ssim",
]
