"""Figures for TensorBoard: event files, written without TensorFlow."""

import time
from pathlib import Path


class TensorBoard:
    """Writes a run's figures by epoch.

    Args:
        folder: where the event files go; `tensorboard --logdir FOLDER` shows them.
        epoch: the first epoch to come; what an interrupted run wrote of it and later ones is no longer shown.
    """

    def __init__(self, folder: Path, epoch: int) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            raise SystemExit("--tensorboard needs the extra tensorboard: pip install 'magtape[tensorboard]'") from None
        self._events, self._summaries = event_pb2, summary_pb2
        self._writer = EventFileWriter(str(folder))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._writer.add_event(event_pb2.Event(wall_time=time.time(), step=epoch, session_log=start))

    def write(self, epoch: int, figures: dict[str, float]) -> None:
        """Write an epoch's figures; those called a_b go to chart b, so that training and test share one."""
        values = [self._summaries.Summary.Value(tag=_tag(name), simple_value=value) for name, value in figures.items()]
        summary = self._summaries.Summary(value=values)
        self._writer.add_event(self._events.Event(wall_time=time.time(), step=epoch, summary=summary))
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def _tag(name: str) -> str:
    """test_loss → loss/test, loss → loss/train."""
    if name == "lr":
        return "learning rate"
    part, _, figure = name.rpartition("_")
    return f"{figure}/{part or 'train'}"
