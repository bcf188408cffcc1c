"""Progress on the screen: a live bar by rich on a terminal, a line per epoch elsewhere."""

import sys
from typing import Any

try:
    import rich.progress as rich_progress
except ImportError:
    rich_progress = None  # type: ignore[assignment]  # the plain lines do without


def _line(epoch: int, epochs: int, figures: dict[str, float]) -> str:
    watched = "test" if "test_loss" in figures else "validation"
    return (
        f"epoch {epoch:>{len(str(epochs))}}/{epochs}  "
        f"loss {figures['loss']:.4f}  accuracy {100 * figures['accuracy']:6.2f} %  "
        f"{watched} loss {figures[f'{watched}_loss']:.4f}  "
        f"{watched} accuracy {100 * figures[f'{watched}_accuracy']:6.2f} %"
    )


class Progress:
    """Shows the batches of an epoch as they go by, and its figures at the end."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.epoch = 0
        self._bar: Any = None
        if rich_progress is not None and sys.stdout.isatty():
            columns = (
                "[progress.description]{task.description}",
                "{task.completed}/{task.total}",
                "{task.fields[note]}",
            )
            texts = [rich_progress.TextColumn(column) for column in columns]
            self._bar = rich_progress.Progress(
                texts[0],
                rich_progress.BarColumn(),
                texts[1],
                texts[2],
                rich_progress.TimeRemainingColumn(),
                transient=True,
            )
            self._task = self._bar.add_task("", total=1, note="")

    def __enter__(self) -> "Progress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start_epoch(self, epoch: int, batches: int, done: int = 0) -> None:
        """Begin with epoch number `epoch`, of so many batches, some of which may be done already."""
        self.epoch = epoch
        if self._bar is not None:
            name = f"epoch {epoch}/{self.epochs}"
            self._bar.reset(self._task, total=batches, completed=done, description=name, note="")

    def advance(self, loss: float, accuracy: float) -> None:
        """One batch is done; the means so far are these."""
        if self._bar is not None:
            self._bar.update(self._task, advance=1, note=f"loss {loss:.4f}  accuracy {100 * accuracy:.2f} %")

    def end_epoch(self, figures: dict[str, float]) -> None:
        """The epoch is done: print its figures."""
        line = _line(self.epoch, self.epochs, figures)
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        else:
            print(line, flush=True)
