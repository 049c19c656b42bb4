"""TensorBoard: files of events below a folder, which `tensorboard --logdir` shows."""

import struct
import time
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

FLUSH = 10  # seconds between writes to the disk
RGB = 3


class TensorBoard:
    """A `Tracker` whose files lie in <folder>/tensorboard/<where>."""

    def __init__(self, where: str, title: str, config: dict[str, Any], folder: str) -> None:
        home = Path(folder, "tensorboard", where)
        self._writer = EventFileWriter(str(home), flush_secs=FLUSH)

    def point(self, stage: str, step: int, loss: float, rate: float, seconds: float) -> None:
        """Shows a point of the history of training."""
        self._write(step, {f"loss/{stage}": loss, f"rate/{stage}": rate})

    def scores(self, values: dict[str, float]) -> None:
        """Shows what the samples score."""
        self._write(0, values)

    def picture(self, path: str) -> None:
        """Shows the grid of samples."""
        content = Path(path).read_bytes()
        width, height = struct.unpack(">II", content[16:24])  # of a PNG's first chunk
        image = Summary.Image(
            width=width, height=height, colorspace=RGB, encoded_image_string=content
        )
        self._add(0, [Summary.Value(tag="samples", image=image)])

    def close(self, done: bool) -> None:
        """Ends the run."""
        self._writer.close()

    def _write(self, step: int, values: dict[str, float]) -> None:
        self._add(step, [Summary.Value(tag=k, simple_value=x) for k, x in values.items()])

    def _add(self, step: int, values: list[Any]) -> None:
        event = Event(wall_time=time.time(), step=step, summary=Summary(value=values))
        self._writer.add_event(event)
