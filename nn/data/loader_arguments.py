"""What a DataLoader's arguments and state must be."""

from collections.abc import Mapping
from typing import Any

from nn.data.dataset import IterableDataset

STATE = {"position", "generator", "batch_size", "num_workers"}


def check_arguments(given: Mapping[str, Any]) -> None:
    """Refuse arguments that are wrong alone or do not go together; `given` are all of them by name."""
    _check_workers(given)
    shuffle, sampler, batch_sampler = given["shuffle"], given["sampler"], given["batch_sampler"]
    if isinstance(given["dataset"], IterableDataset):
        for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
            if value is not None:
                raise ValueError(
                    f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value!r}"
                )
    if shuffle and sampler is not None:
        raise ValueError("DataLoader: sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (given["batch_size"] != 1 or shuffle or sampler is not None or given["drop_last"]):
        raise ValueError(
            "DataLoader: batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
        )
    _check_batch_size(given["batch_size"], given["drop_last"])
    transform = given["batch_transform"]
    if transform is not None and not callable(transform):
        raise TypeError(f"DataLoader: batch_transform should be callable, got {type(transform).__name__}")


def _check_batch_size(size: Any, drop_last: Any) -> None:
    if size is None:
        if drop_last:
            raise ValueError(
                "DataLoader: batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )
    elif isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"DataLoader: batch_size should be a positive integer value, but got batch_size={size!r}")
    if not isinstance(drop_last, bool):
        raise ValueError(f"DataLoader: drop_last should be a boolean value, but got drop_last={drop_last!r}")


def _check_workers(given: Mapping[str, Any]) -> None:
    count, prefetch = given["num_workers"], given["prefetch_factor"]
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"DataLoader: num_workers should be an integer, got {type(count).__name__}")
    if count < 0:
        raise ValueError(
            f"DataLoader: num_workers option should be non-negative, got {count}; use num_workers=0 to have no workers"
        )
    if given["timeout"] < 0:
        raise ValueError(f"DataLoader: timeout option should be non-negative, got {given['timeout']}")
    if given["workers"] not in ("processes", "threads"):
        raise ValueError(f"DataLoader: workers should be 'processes' or 'threads', got {given['workers']!r}")
    if prefetch is not None and (isinstance(prefetch, bool) or not isinstance(prefetch, int) or prefetch < 1):
        raise ValueError(f"DataLoader: prefetch_factor should be a positive integer, got {prefetch!r}")
    needs = {"prefetch_factor": prefetch is not None, "persistent_workers": given["persistent_workers"]}
    needs["timeout"] = given["timeout"] > 0
    for name, is_given in needs.items():
        if is_given and not count:
            raise ValueError(f"DataLoader: {name} option needs num_workers > 0")


def context_of(given: Any, num_workers: int, workers: str) -> Any:
    """Return the multiprocessing context a loader was given, by itself or by the name of a start method, or None."""
    if given is None:
        return None
    if not num_workers or workers == "threads":
        raise ValueError(
            "DataLoader: multiprocessing_context can only be used with worker processes (num_workers > 0), "
            f"but got num_workers={num_workers}, workers={workers!r}"
        )
    import multiprocessing
    from multiprocessing.context import BaseContext

    if isinstance(given, str):
        methods = multiprocessing.get_all_start_methods()
        if given not in methods:
            raise ValueError(
                f"DataLoader: multiprocessing_context option should specify a valid start method in {methods!r}, "
                f"but got multiprocessing_context={given!r}"
            )
        return multiprocessing.get_context(given)
    if not isinstance(given, BaseContext):
        raise TypeError(
            "DataLoader: multiprocessing_context option should be a valid context object or a string specifying the "
            f"start method, but got multiprocessing_context={given!r}"
        )
    return given


def check_state(loader: Any, state: Any) -> None:
    """Refuse a state that cannot be this loader's."""
    if not isinstance(state, dict) or not state.keys() >= STATE:
        raise ValueError(f"DataLoader.load_state_dict: expected a dict with {sorted(STATE)}, as state_dict returns")
    if state["batch_size"] != loader.batch_size:
        raise ValueError(
            f"DataLoader.load_state_dict: the state was saved with batch_size={state['batch_size']}, "
            f"this loader has {loader.batch_size}"
        )
    shares = bool(state["position"] and state["position"]["shares"])
    iterable = isinstance(loader.dataset, IterableDataset)
    if state["position"] and shares != iterable:
        kinds = ("one that is indexed", "an iterable one")
        raise ValueError(
            f"DataLoader.load_state_dict: the state is of {kinds[shares]}, this loader's dataset is {kinds[iterable]}"
        )
    if shares and max(state["num_workers"], 1) != max(loader.num_workers, 1):
        raise ValueError(
            "DataLoader.load_state_dict: an iterable dataset is shared out among workers, of which the state had "
            f"{state['num_workers']} and this loader has {loader.num_workers}"
        )
