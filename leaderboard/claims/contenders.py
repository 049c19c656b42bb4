"""Whom claims compare: all runs of a model, or those with one value of a setting."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mmbench.records.differences import below, matters, values
from mmbench.records.record import Record


@dataclass(frozen=True)
class Contender:
    """A model whose runs are compared.

    Attributes:
        model: The model's name.
        setting: The protocol's setting by which its runs differ from others of the model, such as
            "model.auxiliary"; "" if all runs of the model count.
        value: The value of that setting.
        default: Its value where a protocol does not set it.
        note: What the evidence adds to the model's name about the setting.
    """

    model: str
    setting: str = ""
    value: object = None
    default: object = None
    note: str = ""

    @property
    def label(self) -> str:
        """Its name in the evidence."""
        return self.model + self.note

    def made(self, record: Record) -> bool:
        """Whether a record is of one of its runs."""
        if record.model != self.model:
            return False
        found: object = record.protocol
        for key in filter(None, self.setting.split(".")):
            found = found.get(key, self.default) if isinstance(found, Mapping) else self.default
        return not self.setting or found == self.value

    def elsewhere(self, record: Record) -> str:
        """The rest of the protocol of one of its runs; "" if all runs of the model count.

        With the name of a sampler go the sampler's own settings.
        """
        varied = self.setting.removesuffix(".name")
        each = values(record.protocol).items() if varied else ()
        rest = {path: of for path, of in each if matters(path) and not below(path, varied)}
        return json.dumps(rest, sort_keys=True) if varied else ""
