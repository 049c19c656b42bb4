"""The one factory of records: tests name what they are about, the rest is plain."""

from mmbench.protocols.protocol import digest
from mmbench.records.record import Record
from mmbench.records.versions import now


def record(model="mld", seed=0, scores=(), protocol=None, **changes):
    """A record on the data set "toy", by default current, of no scores and an empty protocol."""
    protocol = {} if protocol is None else protocol
    plain = {
        "model": model,
        "dataset": "toy",
        "seed": seed,
        "protocol": protocol,
        "protocol_hash": digest(protocol) if "protocol_hash" not in changes else None,
        "data": "d" * 64,
        "versions": {},
        "commit": None,
        "device": "cpu",
        "parameters": 1,
        "evaluations": 1,
        "seconds": {},
        "scores": tuple(scores),
    }
    changed = plain | changes
    versions = {
        "model_version": now("models", changed["model"]) or 1,
        "dataset_version": now("datasets", changed["dataset"]) or 1,
    }
    return Record(**versions | changed)
