"""Compiled kernels on disk: a file per kernel and signature, in a folder named after all they depend on.

Numba's own cache keeps an index per function, follows only the file a function stands in, and raises on a
damaged file or a folder it cannot write.  This one has no index and no lock.  The folder's name is a digest
of all kernel sources, the versions of numba, llvmlite, NumPy and Python, the CPU with its features and the
compiler switches, so an entry that is found is an entry that is valid; a file is written under a temporary
name and renamed, so two processes that compile the same kernel both leave a whole file; and a file carries
the digest of its contents, so a damaged one is compiled again.  No trouble with the disk ever reaches the
caller: it costs one warning and a kernel that lives in memory.
"""

import contextlib
import functools
import hashlib
import os
import pickle
import platform
import shutil
import stat
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import config, types
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import _MemoMixin  # type: ignore[attr-defined]  # numba has some types, not all
from numba.core.registry import cpu_target
from numba.core.serialize import dumps

KERNELS = Path(__file__).parent

PREFIX = "kernels-"
COMPILER_SWITCHES = (
    "OPT",
    "BOUNDSCHECK",
    "LOOP_VECTORIZE",
    "SLP_VECTORIZE",
    "ENABLE_AVX",
    "USING_SVML",
    "DEBUGINFO_DEFAULT",
)
"""Numba settings (environment variables) that change the machine code of a kernel."""

FOLDERS_KEPT = 6
"""How many folders (versions of the sources, or machines that share a home) outlive a clean-up."""


def roots() -> Iterator[Path]:
    """Yield the folders that may hold the cache, the preferred one first."""
    if chosen := os.environ.get("MAGTAPE_CACHE_DIR"):
        yield Path(chosen).absolute()
        return
    if cache_home := os.environ.get("XDG_CACHE_HOME" if os.name == "posix" else "LOCALAPPDATA"):
        yield Path(cache_home).absolute() / "magtape"
    else:
        try:
            home = Path.home()
        except RuntimeError:  # no HOME and no entry for this user
            pass
        else:
            yield home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "magtape"
    yield Path(tempfile.gettempdir()) / f"magtape-{getattr(os, 'getuid', lambda: 'user')()}"


def build_name() -> str:
    """Name the folder after all that compiled code depends on."""
    digest, sources = hashlib.sha256(), sorted(KERNELS.rglob("*.py"))
    if not sources:
        raise FileNotFoundError(f"{KERNELS} holds no sources")
    for source in sources:
        digest.update(f"{source.relative_to(KERNELS).as_posix()} {file_digest(source)}\n".encode())
    versions = (
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        platform.python_version(),
        sys.abiflags,
    )
    switches = {name: getattr(config, name, None) for name in COMPILER_SWITCHES}
    machine = cpu_target.target_context.codegen().magic_tuple()  # triple, CPU name, features
    digest.update(repr((versions, machine, switches)).encode())
    return PREFIX + digest.hexdigest()[:24]


@functools.cache
def file_digest(path: Path) -> str:
    """Digest one source file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def cache_directory() -> Path | None:
    """Return the folder that keeps compiled kernels, or None when there is none to be had.

    Under MAGTAPE_CACHE_DIR if that is set; else in the user's cache folder; else in a private temporary
    folder. A folder that was filled earlier serves also when it can no longer be written.
    """
    try:
        name = build_name()
    except Exception as error:  # sources in an archive, a numba that moved its internals
        warn_once(f"cannot describe this build ({error!r})")
        return None
    for root in roots():
        try:
            folder = open_folder(root, name)
        except OSError as error:
            reason = error
            continue
        remove_old_folders(root, keep=folder)
        return folder
    warn_once(str(reason))
    return None


def open_folder(root: Path, name: str) -> Path:
    """Return root/name, created if need be; raise OSError where it can neither be read nor created."""
    folder = root / name
    if not folder.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o755, exist_ok=True)
    if hasattr(os, "getuid"):
        # Entries are pickles: never read them from a folder that another user could have filled.
        status = folder.stat()
        if status.st_uid not in (os.getuid(), 0) or status.st_mode & stat.S_IWOTH:
            raise PermissionError(f"{folder} belongs to, or can be written by, another user")
    os.listdir(folder)
    return folder


def remove_old_folders(root: Path, keep: Path) -> None:
    """Delete the folders of earlier builds, except those most recently used."""
    try:
        os.utime(keep)
        folders = sorted(root.glob(PREFIX + "*"), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:  # read-only, or another process is cleaning up
        return
    for folder in folders[FOLDERS_KEPT:]:
        if folder != keep:
            shutil.rmtree(folder, ignore_errors=True)


warned = False


def warn_once(reason: str) -> None:
    """Say, once per process, that kernels live in memory only."""
    global warned
    if not warned:
        warned = True
        remedy = "set MAGTAPE_CACHE_DIR to a writable folder"
        warnings.warn(f"magtape: compiled kernels are not kept: {reason}; {remedy}", RuntimeWarning, stacklevel=3)


def describe(value: object) -> str:
    """Write a value that a kernel closes over as text that is the same in every process.

    Raises ValueError for an object that has no such text, for instance an intrinsic without a fixed uuid.
    """
    if isinstance(value, (bool, int, float, str, bytes, type(None), np.generic, np.dtype, types.Type)):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, (tuple, frozenset)):
        parts = [describe(item) for item in value]
        return f"{type(value).__name__}({', '.join(sorted(parts) if isinstance(value, frozenset) else parts)})"
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, _MemoMixin) and value._MemoMixin__uuid is not None:
        return f"{type(value).__name__} {value._uuid}"
    raise ValueError(f"a {type(value).__name__} has no name that outlives the process")


def identify(function: Callable[..., object], options: object) -> str | None:
    """Digest where a kernel is defined, its options and its closure; None if it cannot be cached."""
    code = function.__code__
    try:
        closure = [describe(cell.cell_contents) for cell in function.__closure__ or ()]
        source = file_digest(Path(code.co_filename))
    except (OSError, ValueError):  # typed at a prompt, inside an archive, or closing over a nameless object
        return None
    place = (function.__module__, function.__qualname__, code.co_firstlineno, source)
    return hashlib.sha256(repr((place, code.co_code, options, closure)).encode()).hexdigest()


def arguments(signature: Any) -> tuple[types.Type, ...]:
    """Return the argument types; numba names a kernel's signature by them and a callback's by a Signature."""
    return tuple(getattr(signature, "args", signature))


class KernelCache(_Cache):
    """The entries of one kernel, one file per signature; fills the place of numba's cache in a dispatcher."""

    hits = 0
    misses = 0

    def __init__(self, name: str, identity: str) -> None:
        self._name = name
        self._identity = identity
        self._enabled = True

    @property
    def cache_path(self) -> str | None:
        """The folder, as numba's statistics report it."""
        folder = cache_directory()
        return None if folder is None else str(folder)

    def path(self, signature: Any) -> Path | None:
        """Return the file that holds, or would hold, the code for a signature."""
        folder = cache_directory()
        if folder is None or not self._enabled:
            return None
        # With the class, for a Tuple and a StarArgTuple, which are different signatures, print alike.
        described = [f"{type(part).__name__} {part}" for part in arguments(signature)]
        digest = hashlib.sha256(f"{self._identity} {described}".encode()).hexdigest()
        return folder / f"{self._name}-{digest[:32]}.bin"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return compiled code for a signature, None where there is none that can be used."""
        path = self.path(sig)
        result = None if path is None else self._read(path, target_context)
        if result is not None and result.signature.args != arguments(sig):
            result = None
        KernelCache.hits += result is not None
        KernelCache.misses += result is None
        return result

    def _read(self, path: Path, target_context: Any) -> Any:
        target_context.refresh()
        try:
            entry = path.read_bytes()
            digest, payload = entry[:32], entry[32:]
            if digest != hashlib.sha256(payload).digest():
                return None
            return CompileResult._rebuild(target_context, *pickle.loads(payload))
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever an unreadable entry raises, compiling again is the remedy
            warn_once(f"{path.name} cannot be read ({error!r})")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code; the file appears whole or not at all."""
        path = self.path(sig)
        if path is None or data.library.has_dynamic_globals or data.lifted:
            return
        temporary = path.with_name(f"{path.stem}.{uuid.uuid4().hex[:12]}.tmp")
        try:
            payload = dumps(data._reduce())
            path.parent.mkdir(exist_ok=True)  # another process may have cleaned it away
            temporary.write_bytes(hashlib.sha256(payload).digest() + payload)
            os.replace(temporary, path)
        except Exception as error:  # disk full, folder read-only
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            warn_once(f"{path.parent} cannot be written ({error!r})")

    def enable(self) -> None:
        """Use the disk (again)."""
        self._enabled = True

    def disable(self) -> None:
        """Keep compiled code in memory only."""
        self._enabled = False

    def flush(self) -> None:
        """Forget the entries of this kernel (numba calls this on `recompile`)."""
        folder = cache_directory()
        for path in () if folder is None else folder.glob(f"{self._name}-*.bin"):
            path.unlink(missing_ok=True)
