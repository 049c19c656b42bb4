"""Which records, metrics and targets a figure is of."""

from collections.abc import Sequence
from pathlib import Path

from mmbench.leaderboard.figures.estimates import Estimates, fresh
from mmbench.leaderboard.papers.comparison import follows
from mmbench.leaderboard.papers.layouts import TABLES
from mmbench.leaderboard.papers.published import published as printed
from mmbench.leaderboard.submissions.collection import merged
from mmbench.leaderboard.tables.columns import MEAN, WIDEST
from mmbench.records.differences import only
from mmbench.records.record import Record
from mmbench.registry import nearest


def records(
    folders: Sequence[Path],
    dataset: str | None,
    models: Sequence[str] = (),
    settings: Sequence[str] = (),
    published: bool = False,
) -> tuple[str, list[Record]]:
    """A data set's name and the records of it that are asked for.

    Args:
        folders: The results folders; none for no records.
        dataset: None for the only data set with records.
        models: By default all.
        settings: What their protocols have, such as "model.d=0.3"; see `differences.only`.
        published: Whether the papers' numbers of a data set or a model may stand for its records.

    Raises:
        FileNotFoundError: A folder is missing, or holds no record.
        LookupError: There is no such record.
        ValueError: It is not clear which data set is meant, no paper prints results of it, a
            record is damaged, all are stale, or two folders have different records of one run.
    """
    every, where = merged(folders), " and ".join(map(str, folders))
    known = list(dict.fromkeys(r.dataset for r in every))
    papers = list(dict.fromkeys(t.dataset for t in TABLES))
    if dataset is None and len(known) == 1:
        dataset = known[0]
    if dataset is None and not known:
        raise ValueError(f"there is no record: name by --dataset one of {', '.join(papers)}")
    if dataset is None:
        raise ValueError(f"in {where} are records of {', '.join(known)}: name one by --dataset")
    if published and dataset not in papers:
        raise ValueError(
            f"no paper prints results of {dataset}, expected one of {', '.join(papers)}: "
            "published numbers never stand beside results on other data, such as a twin"
        )
    if not published and dataset not in known:
        raise LookupError(f"there is no record of {dataset!r} in {where}{nearest(dataset, known)}")
    found = [r for r in every if r.dataset == dataset]
    ran = dict.fromkeys(r.model for r in found)
    ran |= dict.fromkeys(p.model for p in printed() if published and p.dataset == dataset)
    for model in models:
        if model not in ran:
            paper = ", and no paper a result" if published else ""
            missing = f"{dataset} has no record of the model {model!r}{paper}"
            raise LookupError(missing + nearest(model, ran))
    found = only([r for r in found if not models or r.model in models], settings)
    if not published:
        fresh(dataset, found)  # refuses what has nothing to draw
    return dataset, found


def estimates(
    folders: Sequence[Path],
    dataset: str | None,
    models: Sequence[str],
    settings: Sequence[str],
    published: bool,
) -> tuple[Estimates, list[str]]:
    """The numbers of a data set, and sentences about records that are left out.

    The arguments and errors are those of `records`. Beside published numbers stand only runs by
    the papers' protocols.
    """
    name, chosen = records(folders, dataset, models, settings, published)
    if not published:
        return Estimates(name, chosen), []
    tables = [t for t in TABLES if t.dataset == name]
    fit = [r for r in chosen if any(follows(t, r) for t in tables)]
    remarks = []
    if len(fit) < len(chosen):
        left = f"{len(chosen) - len(fit)} of {len(chosen)} records are left out"
        remarks.append(f"{left}: they do not follow a protocol of the papers")
    return Estimates(name, fit, models or None), remarks


def metrics(found: Estimates, wanted: Sequence[str]) -> list[str]:
    """Some metrics, each once.

    Raises:
        LookupError: One has no value.
    """
    known = found.metrics()
    for metric in wanted:
        if metric not in known:
            missing = f"no record of {found.dataset} has a value of {metric!r}"
            raise LookupError(missing + nearest(metric, known))
    return list(dict.fromkeys(wanted))


def targets(found: Estimates, wanted: Sequence[str], each: bool | None) -> list[str]:
    """The targets that have a panel of their own, or the mean over all.

    With `each` None, each of up to three modalities has a panel, as it has columns in tables.
    """
    own = {t for metric in wanted for t in found.targets(metric)}
    if each is None:
        each = len(found.names) <= WIDEST
    return [m for m in found.names if m in own] or [MEAN] if each else [MEAN]


def panels(
    dataset: str, chosen: Sequence[Record], asked: Sequence[str], each: bool | None
) -> tuple[list[str], list[str]]:
    """The metrics, by default all, and the targets that a figure of some records has panels of.

    Raises:
        LookupError: A metric has no value.
    """
    found = Estimates(dataset, chosen)
    wanted = metrics(found, asked) or found.metrics()
    return wanted, targets(found, wanted, each)
