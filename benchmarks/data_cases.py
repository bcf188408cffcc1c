"""Epochs of a data loader: tensors that are sliced, samples that are collated, samples that Python code makes."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.case import Case, Work, random
from benchmarks.library import Library

ROWS, WIDTH, BATCH = 60_000, 784, 128
SAMPLES = 4096


class Arrays:
    """Samples of an array and two numbers, by name."""

    def __init__(self) -> None:
        self.x = random(SAMPLES, 3, 16, 16)

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"x": self.x[index], "label": index % 10, "weight": index / SAMPLES}


class Parsed:
    """Samples that Python code reads from text, about 50 µs each."""

    def __init__(self) -> None:
        self.lines = [" ".join(f"{number:.3f}" for number in row) for row in random(SAMPLES, 400)]

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        numbers = sorted(float(word) for word in self.lines[index].split())
        return np.array(numbers, np.float32), index % 10


def tensors(library: Library) -> Any:
    """The dataset whose tensors a loader may slice."""
    labels = np.arange(ROWS) % 10
    return data_of(library).TensorDataset(library.tensor(random(ROWS, WIDTH)), library.tensor(labels))


def data_of(library: Library) -> Any:
    """Return the library's module of datasets and loaders."""
    return library.nn.data if library.name == "magtape" else library.torch.utils.data


def epochs(library: Library, dataset: Any, **options: Any) -> Work:
    """Pass over a dataset in batches. What must agree is the sum of every entry of the batches."""
    loader = data_of(library).DataLoader(dataset, batch_size=BATCH, shuffle=True, **options)

    def step() -> None:
        for _ in loader:
            pass

    def check() -> list[np.ndarray]:
        sums: list[Any] = []
        for batch in loader:
            parts = [each.numpy().sum(0, np.float64) for each in (batch.values() if type(batch) is dict else batch)]
            sums = [a + b for a, b in zip(sums, parts, strict=True)] if sums else parts
        return [np.asarray(each) for each in sums]

    return Work(step, check)


def cases() -> Iterator[Case]:
    """Yield epochs without workers and with two, timed per batch."""
    batches, parsed_batches = -(-ROWS // BATCH), SAMPLES // BATCH
    yield Case(
        "data/loader/tensors",
        lambda library: epochs(library, tensors(library)),
        f"TensorDataset {ROWS} x {WIDTH} float32, batch {BATCH}, shuffled, per batch",
        operations=batches,
    )
    yield Case(
        "data/loader/arrays",
        lambda library: epochs(library, Arrays()),
        f"{SAMPLES} dicts of an array of 768 and two numbers, batch {BATCH}, shuffled, per batch",
        operations=parsed_batches,
    )
    workers = {"num_workers": 2, "persistent_workers": True}
    yield Case(
        "data/loader/arrays-workers2",
        lambda library: epochs(library, Arrays(), **workers),
        "the same, through two worker processes that stay, per batch",
        operations=parsed_batches,
    )
    for name, options in (
        ("python", {}),
        ("python-workers2", workers),
        ("python-workers2-started", {"num_workers": 2}),
    ):
        yield Case(
            f"data/loader/{name}",
            lambda library, options=options: epochs(library, Parsed(), **options),
            f"{SAMPLES} samples that Python parses from text, batch {BATCH}, {options or 'no workers'}, per batch",
            operations=parsed_batches,
        )
