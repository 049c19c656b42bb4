"""Where the agreement of drawn birds and their captions is lost: judge, autoencoders or model.

    python -m tests.benchmarks.captions [--dataset cub-mini-32] [--model mld] [--seed 10]
        [--set models.mld.width=512 ...] [--out results/held-out]

A row for each kind of pair, of birds that are in neither split: the in-domain CLIP-S of picture
and caption, how many assertions a caption makes, and how many of them are true of the bird, for
what a caption of these twins asserts can be read back. Runs are kept as those of
`tests.benchmarks.quality`.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

import mmbench
from mmbench.api.places import cache_folder
from mmbench.core.score import Context
from mmbench.datasets.cub import EACH
from mmbench.datasets.mini import cub
from mmbench.datasets.mini.birds.birds import Bird
from mmbench.metrics.clip_score import IN_DOMAIN
from mmbench.metrics.extractors.dual_encoder import sentences
from mmbench.metrics.extractors.in_domain import in_domain
from mmbench.progress import Progress
from mmbench.seeds import stream
from tests.benchmarks import command
from tests.benchmarks.quality import OURS, SEED, prepared
from tests.datasets.mini.assertions import facts

BIRDS = 100


def true(captions: Iterable[str], birds: Sequence[Bird]) -> tuple[float, float]:
    """(Assertions of a caption, how many % of them are true), of `EACH` captions a bird."""
    told = [(facts(said.split()), birds[i // EACH]) for i, said in enumerate(captions)]
    right = [
        bird[attribute] == value for found, bird in told for attribute, value in found.items()
    ]
    return len(right) / len(told), 100 * sum(right) / max(len(right), 1)


def main() -> None:
    """Prints the rows, and a few captions drawn from pictures."""
    parser = command.Parser("captions", __doc__)
    sizes = ["cub-mini", "cub-mini-32"]
    parser.add_argument("--dataset", default="cub-mini-32", choices=sizes, help="drawn birds")
    parser.add_argument("--seed", type=command.whole(OURS), default=10, help=f"at least {OURS}")
    parser.add_run()
    asked = parser.parse_args()
    data, birds = prepared(parser, asked, [asked.seed], BIRDS), cub.birds("test", BIRDS, SEED)
    image, sentence = data.modalities
    run = mmbench.train(asked.model, data, asked.seed, settings=asked.set, out=asked.out)
    model = run.model.eval()
    shipped = mmbench.load_dataset(asked.dataset)  # whose judge it is
    context = Context(torch.device("cpu"), cache_folder(), Progress(None))
    seen, read = (e.features for e in in_domain(image, sentence, shipped, context).extractors)
    n = len(data.test)
    real = data.test.batch(torch.arange(n))

    def drawn(*given: str) -> dict[str, Tensor]:
        noise = stream(asked.seed, "captions", *given)
        return model.generate({m: real[m] for m in given}, [image.name, sentence.name], n, noise)

    with torch.inference_mode():
        both, joint = drawn(image.name, sentence.name), drawn()
        seen_alone, read_alone = drawn(image.name), drawn(sentence.name)
        other = real | {sentence.name: real[sentence.name].roll(n // 2, 0)}
        pairs = {
            "real": (real, real),
            "another bird's caption": (real, other),
            "reconstructed caption": (real, both),
            "reconstructed picture": (both, real),
            "caption given picture": (real, seen_alone),
            "picture given caption": (read_alone, real),
            "joint": (joint, joint),
        }
        print(f"{asked.model} on {asked.dataset}, seed {asked.seed}, {' '.join(asked.set)}")
        print(f"{'':24} CLIP-S  assertions  true %")
        for title, (pictures, captions) in pairs.items():
            x, y = pictures[image.name], captions[sentence.name]
            agree = float(IN_DOMAIN.values(seen(x), read(y)).mean())
            count, share = true(sentences(y, sentence.words), birds)
            known = f"{count:10.1f}  {share:6.0f}" if pictures is real else ""
            print(f"{title:24} {agree:6.2f}  {known}")
        for said in sentences(seen_alone[sentence.name][:: 2 * EACH][:5], sentence.words):
            print(f"  {said}")


if __name__ == "__main__":
    command.run(main)
