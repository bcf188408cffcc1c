"""Loading under guard.

The process may take 256 MB more than it has, and every event an attack needs is noted: running code or programs,
importing, writing to files.
"""

import contextlib
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import autograd
from autograd import Tensor, memory
from autograd.serialization.errors import FileError
from tests.hostile import images
from tests.hostile.archives import Case
from tests.hostile.cases import FORMATS, MAPPED, cases

MEMORY = 256 << 20  # bytes a process may take beside what it has
SLOWEST = 2.0  # seconds of the processor one file may take
HARMFUL = (
    "exec", "compile", "import", "pickle.find_class", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.remove",
    "os.rename", "os.mkdir", "os.chmod", "subprocess.Popen", "socket.__new__", "ctypes.dlopen", "shutil.rmtree",
)  # fmt: skip


def summary(value: Any) -> Any:
    """Return a value in a form that can be compared: tensors by their bytes."""
    if isinstance(value, (Tensor, np.ndarray)):
        array = value.array if isinstance(value, Tensor) else value
        return type(value).__name__, array.dtype.str, array.shape, array.tobytes()
    if isinstance(value, dict):
        return type(value).__name__, [(key, summary(each)) for key, each in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [summary(each) for each in value]
    return repr(value)


def read(path: Path, mapped: bool = False) -> Any:
    """Read a file with the function for its format."""
    format = path.name.partition(".")[2]
    return images.READERS[format](path) if format in images.READERS else autograd.load(path, mmap=mapped)


def outcome(path: Path, case: Case, expected: Any, mapped: bool) -> str:
    """Load a file; return "error", "equal" or "other", or raise AssertionError for what must not be."""
    begin = time.process_time()
    result, message = "other", None
    try:
        value = read(path, mapped)
        if case.allowed == "equal" and summary(value) == expected:
            result = "equal"
        del value
    except FileError as error:
        result, message = "error", str(error)
    assert message is None or str(path) in message, f"the message does not name the file: {message}"
    assert message is None or len(message) < 2000, f"the message is {len(message)} long"
    allowed = {"error": ("error",), "equal": ("error", "equal"), "any": ("error", "equal", "other")}[case.allowed]
    assert result in allowed or (mapped and case.kind != "built"), f"{result}, but allowed is {allowed}"
    assert time.process_time() - begin < SLOWEST, f"it took {time.process_time() - begin:.1f} s"
    return result


def guard(events: list[str]) -> Callable[[], None]:
    """Note every harmful event until what is returned is called; let the process take no more than `MEMORY`."""
    watching = True

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if watching and (event in HARMFUL or writes):
            events.append(f"{event} {arguments!r:.100}")

    def stop() -> None:
        nonlocal watching
        watching = False

    if memory._malloc is not None:
        memory._malloc.malloc_trim(0)  # else the free addresses at the heap's end could be taken, too
    status = Path("/proc/self/status").read_text()
    taken = int(status.split("VmSize:")[1].split()[0]) << 10
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    sys.addaudithook(note)
    return stop


def warm_up(path: Path) -> None:
    """Fail once: what is imported then is not what a file brings about."""
    path.touch()
    with contextlib.suppress(FileError):
        read(path)
    path.unlink()


def run(format: str, count: int) -> dict[str, Any]:
    """Load every file of a format; return how many there were and what came of them."""
    made, good = list(cases(format, count)), FORMATS[format][0]()
    ways = (False, True) if format in MAPPED else (False,)
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    events: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        path = Path(folder) / f"file.{format}"
        path.write_bytes(good)
        expected = summary(read(path))
        for mapped in ways:
            read(path, mapped)
        warm_up(path.with_name(f"empty.{format}"))
        files = [path.with_name(f"{i}.{format}") for i in range(len(made))]
        for file, case in zip(files, made, strict=True):
            file.write_bytes(case.content)
        stop = guard(events)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for file, case in zip(files, made, strict=True):
            for mapped in ways:
                try:
                    result = outcome(file, case, expected, mapped)
                    outcomes[f"{case.kind}: {result}"] += not mapped
                except Exception as error:  # whatever it is, it is reported
                    failures.append(
                        f"{file.name} {case.kind} {case.what} mmap={mapped}: {type(error).__name__}: {error}"[:500]
                    )
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
        stop()
        os.chdir("/")
        extra = sorted(each.name for each in Path(folder).iterdir() if each not in files and each != path)
    return {
        "files": len(made), "outcomes": dict(sorted(outcomes.items())), "failures": failures, "events": events,
        "megabytes": grown, "left behind": extra,
    }  # fmt: skip
