"""Who takes part: magtape, PyTorch in its variants, JAX. Each is a process that measures when it is asked to."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.case import Case

FEATURES = ("channels_last", "fused", "foreach", "compiled", "malloc")
DEFAULT = ("eager", "channels_last", "fused", "channels_last+fused", "foreach")
ALL = (*DEFAULT, "malloc", "channels_last+fused+malloc", "compiled", "compiled+channels_last+fused", "jax")

# glibc then returns no freed block to the system, so that large results do not fault their pages in anew.
MALLOC_KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(1 << 26)}


class Variant(NamedTuple):
    """A library and the features with which it is used."""

    library: str
    features: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """As it is written on the command line."""
        if self.library != "pytorch":
            return self.library
        return "+".join(feature for feature in FEATURES if feature in self.features) or "eager"

    def concerns(self, case: Case) -> bool:
        """Say whether this variant differs from plain use for the case."""
        if self.library == "jax":
            return bool(case.jax)
        return self.features <= case.features | {"malloc"}


MAGTAPE = Variant("magtape")


def parse(name: str) -> Variant:
    """Return the variant called `name`: "eager", "jax", or features joined by "+"."""
    if name == "jax":
        return Variant("jax")
    features = frozenset() if name == "eager" else frozenset(name.split("+"))
    if unknown := features - set(FEATURES):
        known = ", ".join(("eager", *FEATURES, "jax"))
        raise SystemExit(f"benchmarks: no variant {'+'.join(sorted(unknown))!r}; there are {known}, and all")
    return Variant("pytorch", features)


def choose(names: list[str], jax_python: str) -> tuple[list[Variant], list[str]]:
    """Return the variants that can run here, and a sentence for each that cannot."""
    names = [each for name in names for each in (ALL if name == "all" else (name,))]
    variants, reasons = [MAGTAPE], []
    for variant in dict.fromkeys(parse(name) for name in names):
        reason = obstacle(variant, jax_python)
        if reason is None:
            variants.append(variant)
        elif reason not in reasons:
            reasons.append(reason)
    return variants, reasons


def obstacle(variant: Variant, jax_python: str) -> str | None:
    """Say why a variant cannot run here, if it cannot."""
    if variant.library == "jax":
        return (
            None
            if has_jax(jax_python)
            else "JAX left out: it is not installed; pip install jax, or name a Python by --jax-python"
        )
    if importlib.util.find_spec("torch") is None:
        return "PyTorch left out: it is not installed; pip install 'magtape[peers]'"
    if "compiled" in variant.features and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        return "torch.compile left out: it needs a C++ compiler, and neither g++ nor clang++ is here"
    return None


def has_jax(python: str) -> bool:
    """Say whether a Python has JAX."""
    command = [python, "-c", "import importlib.util as u; raise SystemExit(u.find_spec('jax') is None)"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def environment(variant: Variant, threads: int) -> dict[str, str]:
    """Return the environment of a process that may use so many threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    extra = MALLOC_KEPT if "malloc" in variant.features else {}
    if variant.library == "jax":
        extra = {"PJRT_NPROC": str(threads), "NPROC": str(threads)}
    # PyTorch's bytecode was installed with it; ours is kept where Python puts it, as after anybody's first import.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, **dict.fromkeys(names, str(threads)), **extra}


class Peer:
    """A measuring process (see `worker`), to be used in a `with` statement."""

    def __init__(
        self, variant: Variant, threads: int, jax_python: str = sys.executable, extra: Mapping[str, str] = {}
    ) -> None:
        self.variant = variant
        python = jax_python if variant.library == "jax" else sys.executable
        command = [python, "-m", "benchmarks.worker", variant.library, "+".join(sorted(variant.features)), str(threads)]
        self.folder = tempfile.TemporaryDirectory(prefix="benchmark-")
        self.results = Path(self.folder.name) / "results.npz"
        self.errors = open(Path(self.folder.name) / "errors", "w+")  # noqa: SIM115  # closed with the process
        self.process = subprocess.Popen(
            command,
            env=environment(variant, threads) | dict(extra),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def __enter__(self) -> "Peer":
        try:
            self.import_seconds = self.answer()["import"]
        except ChildProcessError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        with suppress(BrokenPipeError):  # what it was not asked any more, for it had ended
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        self.errors.close()
        self.folder.cleanup()

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and return its answer; raise ChildProcessError for what went wrong there."""
        with suppress(BrokenPipeError):  # it has ended, as its answer tells
            print(json.dumps({"do": what, **arguments}), file=self.process.stdin, flush=True)
        answer = self.answer()
        if "error" in answer:
            raise ChildProcessError(f"{self.variant.name}: {answer['error']}")
        return answer

    def answer(self) -> dict[str, Any]:
        """Return the next answer; where the process has ended, raise its last words."""
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.errors.seek(0)
        last = self.errors.read().strip().splitlines() or [f"ended with status {self.process.wait()}"]
        raise ChildProcessError(f"{self.variant.name}: {last[-1]}")
