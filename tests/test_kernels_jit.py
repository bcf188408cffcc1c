"""Compiling, caching and threads, in fresh processes: whatever the disk holds, a kernel runs."""

import gc
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from ops.kernels import __main__ as command_line
from ops.kernels import cache, conv_packed, jit, pool, threads, tiles

ROOT = Path(__file__).parent.parent

PROGRAM = """
import os, sys, warnings
import numpy as np
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from ops.kernels import elementwise
    from ops.kernels.cache import KernelCache
    assert KernelCache.hits == KernelCache.misses == 0, "importing compiled a kernel"
    y = elementwise.relu(np.array([-1, 2], np.float32))
assert y.tolist() == [0, 2]
print(KernelCache.hits, KernelCache.misses, len(caught), *(str(w.message) for w in caught))
"""


OF_A_PASS = ("NUMBA_BOUNDSCHECK", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")
PLAIN = {name: value for name, value in os.environ.items() if name not in OF_A_PASS}
PLAIN["PYTHONPATH"] = str(ROOT)  # for processes that compile as users' do, whatever the pass of the suite


def run(program: str, *, input: str = "", **environment: str | None) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter; None takes a variable away."""
    variables = {**PLAIN, "PYTHONDONTWRITEBYTECODE": "1"}
    for name, value in environment.items():
        variables.pop(name, None)
        if value is not None:
            variables[name] = value
    command = [sys.executable, "-c", textwrap.dedent(program)]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=600, cwd="/", input=input)
    assert result.returncode == 0, result.stderr
    return result


def counts(**environment: str | None) -> tuple[int, int, int]:
    """Run PROGRAM and return how many kernels were loaded, how many compiled, and how many warnings came."""
    hits, misses, warned = run(PROGRAM, **environment).stdout.split()[:3]
    return int(hits), int(misses), int(warned)


@pytest.fixture(scope="module")
def warm(tmp_path_factory) -> Path:
    """A cache folder that holds the kernels of PROGRAM."""
    folder = tmp_path_factory.mktemp("warm")
    hits, misses, warned = counts(MAGTAPE_CACHE_DIR=str(folder))
    assert (hits, warned) == (0, 0)
    assert misses > 0
    return folder


@pytest.fixture
def copy(warm, tmp_path) -> Path:
    """A copy of it to be damaged."""
    return Path(shutil.copytree(warm, tmp_path / "cache"))


def entries(folder: Path) -> list[Path]:
    return list(folder.glob("kernels-*/*.bin"))


def test_a_second_process_compiles_nothing(warm):
    hits, misses, warned = counts(MAGTAPE_CACHE_DIR=str(warm))
    assert (misses, warned) == (0, 0)
    assert hits > 0


@pytest.mark.parametrize("damage", ["truncate", "empty", "flip", "garbage"])
def test_damaged_entries_are_compiled_again_and_healed(copy, damage):
    for entry in entries(copy):
        data = entry.read_bytes()
        changed = {
            "truncate": data[: len(data) // 2],
            "empty": b"",
            "flip": data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
            "garbage": b"x" * 100,
        }
        entry.write_bytes(changed[damage])
    hits, misses, warned = counts(MAGTAPE_CACHE_DIR=str(copy))
    assert (hits, warned) == (0, 0)
    assert misses > 0
    assert counts(MAGTAPE_CACHE_DIR=str(copy))[1] == 0


def test_an_entry_that_cannot_be_rebuilt_costs_one_warning(copy):
    import hashlib

    for entry in entries(copy):
        payload = b"not a pickle"
        entry.write_bytes(hashlib.sha256(payload).digest() + payload)
    result = run(PROGRAM, MAGTAPE_CACHE_DIR=str(copy)).stdout
    assert result.split()[:3] != ["0", "0", "0"]
    assert result.split()[2] == "1"
    assert "cannot be read" in result


def test_a_folder_that_cannot_be_created_costs_one_warning(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    hits, misses, warned = counts(MAGTAPE_CACHE_DIR=str(blocked / "below"))
    assert (hits, warned) == (0, 1)
    assert misses > 0


def test_a_full_or_read_only_folder_costs_one_warning(tmp_path):
    program = f"""
    import pathlib
    def refuse(self, data):
        raise OSError(28, "No space left on device")
    pathlib.Path.write_bytes = refuse
    {PROGRAM.replace(chr(10), chr(10) + "    ")}
    """
    folder = tmp_path / "full"
    hits, misses, warned = map(int, run(program, MAGTAPE_CACHE_DIR=str(folder)).stdout.split()[:3])
    assert (hits, warned) == (0, 1)
    assert misses > 1
    assert not entries(folder)
    assert not list(folder.glob("*/*.tmp"))


def test_a_warm_folder_serves_when_it_is_read_only(copy):
    program = f"""
    import os, pathlib
    def refuse(*args, **kwargs):
        raise PermissionError("read-only file system")
    pathlib.Path.mkdir = pathlib.Path.write_bytes = os.utime = refuse
    {PROGRAM.replace(chr(10), chr(10) + "    ")}
    """
    hits, misses, warned = map(int, run(program, MAGTAPE_CACHE_DIR=str(copy)).stdout.split()[:3])
    assert (misses, warned) == (0, 0)
    assert hits > 0


def test_no_home_falls_back_to_a_private_temporary_folder(tmp_path):
    environment = {"MAGTAPE_CACHE_DIR": None, "XDG_CACHE_HOME": None, "TMPDIR": str(tmp_path)}
    program = """
    import pathlib
    def homeless():
        raise RuntimeError("Could not determine home directory.")
    pathlib.Path.home = homeless
    from ops.kernels.jit import cache_directory
    print(cache_directory())
    """
    folder = Path(run(program, HOME=None, **environment).stdout.strip())
    assert folder.parent.parent == tmp_path
    assert folder.is_dir()
    nowhere = {**environment, "HOME": "/proc/nowhere"}
    assert run(program.replace("pathlib.Path.home = homeless", ""), **nowhere).stdout.startswith(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_folder_others_can_write_is_not_trusted(copy):
    for folder in copy.glob("kernels-*"):
        folder.chmod(folder.stat().st_mode | stat.S_IWOTH)
    hits, misses, warned = counts(MAGTAPE_CACHE_DIR=str(copy))
    assert (hits, warned) == (0, 1)
    assert misses > 0


@pytest.mark.parametrize(
    "change", [{"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, {"NUMBA_BOUNDSCHECK": "1"}, {"NUMBA_OPT": "1"}]
)
def test_another_processor_or_compiler_switch_uses_another_folder(copy, change):
    hits, misses, warned = counts(MAGTAPE_CACHE_DIR=str(copy), **change)
    assert (hits, warned) == (0, 0)
    assert misses > 0
    assert len(list(copy.glob("kernels-*"))) == 2


def test_a_change_in_any_kernel_source_uses_another_folder(copy, tmp_path):
    package = tmp_path / "changed"
    shutil.copytree(ROOT / "ops" / "kernels", package / "ops" / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "ops" / "__init__.py").write_text("")
    with (package / "ops" / "kernels" / "scalar.py").open("a") as source:
        source.write("\n# a comment\n")
    program = f"import sys; sys.path.insert(0, {str(package)!r})\n" + PROGRAM
    hits, misses, _ = map(int, run(program, MAGTAPE_CACHE_DIR=str(copy)).stdout.split()[:3])
    assert hits == 0
    assert misses > 0


def test_old_folders_are_removed_and_other_files_are_not(copy):
    (copy / "mine.txt").write_text("keep")
    for i in range(cache.FOLDERS_KEPT + 3):
        old = copy / f"kernels-{i:024d}"
        old.mkdir()
        os.utime(old, (i, i))
    counts(MAGTAPE_CACHE_DIR=str(copy))
    assert len(list(copy.glob("kernels-*"))) == cache.FOLDERS_KEPT
    assert entries(copy)
    assert (copy / "mine.txt").exists()


def test_two_processes_may_fill_one_folder(tmp_path):
    variables = {**PLAIN, "MAGTAPE_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM]
    children = [subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [child.communicate()[0].split()[2] for child in children] == ["0"] * 3
    assert counts(MAGTAPE_CACHE_DIR=str(tmp_path))[1:] == (0, 0)


CLOSURES = """
from ops.kernels.jit import kernel, split
from ops.kernels.cache import KernelCache
import numpy as np
from ops.kernels import activations
from ops.kernels.elementwise import unary_loop
x, y = np.arange(4.0), np.empty(4)
for maker in (activations.relu, activations.tanh, activations.relu):
    unary_loop(maker, np.float64)(1, 4, x, y)
    print(y.sum())
print(KernelCache.hits, KernelCache.misses)
"""


def test_closures_over_kernels_hit_and_do_not_collide(tmp_path):
    first = run(CLOSURES, MAGTAPE_CACHE_DIR=str(tmp_path)).stdout.split()
    second = run(CLOSURES, MAGTAPE_CACHE_DIR=str(tmp_path)).stdout.split()
    assert first[:3] == second[:3]
    assert first[0] == first[2] != first[1]
    assert second[4] == "0"


MIXED = """
import sys
import numpy as np
from ops.kernels import elementwise, random
from ops.kernels.cache import KernelCache
from ops.kernels.threads import least_threads
x = np.arange(4, dtype=np.float32)
for threads in map(int, sys.stdin.read().split()):
    with least_threads(threads):
        elementwise.exp(x)
        elementwise.leaky_relu(x, 0.1)
        random.dropout_forward(x, 0.5, 1)
        used = KernelCache.hits, KernelCache.misses
        for _ in range(3):
            elementwise.exp(x)
            elementwise.leaky_relu(x, 0.1)
            random.dropout_forward(x, 0.5, 1)
        assert used == (KernelCache.hits, KernelCache.misses), "every call goes to the disk again"
print(KernelCache.misses)
"""


@pytest.mark.parametrize("first", ["1", "2"])
def test_serial_and_parallel_calls_do_not_take_each_others_entries(tmp_path, first):
    """Numba types the same arguments as Tuple when Python passes them and as StarArgTuple when a kernel does."""
    for order in (first, "1 2", "2 1", "1", "2"):
        last = run(MIXED, input=order, MAGTAPE_CACHE_DIR=str(tmp_path)).stdout
    assert last == "0\n"


def test_kernels_without_sources_are_not_kept(tmp_path):
    """In an archive, say: nothing tells one version's machine code from another's."""
    missing = "import pathlib\n    from ops.kernels import cache\n    cache.KERNELS = pathlib.Path('missing')\n    "
    program = PROGRAM.replace("from ops.kernels import elementwise", f"{missing}from ops.kernels import elementwise")
    result = run(program, MAGTAPE_CACHE_DIR=str(tmp_path)).stdout
    assert result.split()[2] == "1"
    assert "holds no sources" in result
    assert not list(tmp_path.iterdir())


def test_describe_refuses_what_changes_between_processes():
    assert cache.describe((1, "a", np.float32, np.dtype("f4"))) == cache.describe((1, "a", np.float32, np.dtype("f4")))
    assert cache.describe(1) != cache.describe(1.0) != cache.describe(True)
    with pytest.raises(ValueError, match="has no name that outlives the process"):
        cache.describe(object())


def test_threads_for():
    assert threads.threads_for(0) == threads.threads_for(65535) == 1
    before = threads.get_num_threads()
    try:
        threads.set_num_threads(4)
        assert threads.threads_for(65536) == 2
        assert threads.threads_for(10**9) == 4
        assert threads.threads_for(30, grain=10) == 3
        threads.set_num_threads(1)
        assert threads.threads_for(10**9) == 1
    finally:
        threads.set_num_threads(before)


@pytest.mark.parametrize(("n", "error"), [(0, RuntimeError), (-1, RuntimeError), (1.5, TypeError), (True, TypeError)])
def test_set_num_threads_rejects(n, error):
    with pytest.raises(error, match="set_num_threads: expected"):
        threads.set_num_threads(n)


def test_numba_num_threads_is_respected():
    assert (
        run("from ops.kernels.jit import get_num_threads; print(get_num_threads())", NUMBA_NUM_THREADS="1").stdout
        == "1\n"
    )


FORK = """
import os
import numpy as np
from ops.kernels import elementwise
from ops.kernels.threads import least_threads, threads_for
x = np.linspace(-1, 1, 100_000).astype(np.float32)
with least_threads(2):
    expected = elementwise.tanh(x)
pid = os.fork()
if pid == 0:
    same = threads_for(10**9) == 1 and np.array_equal(elementwise.tanh(x), expected)
    os._exit(0 if same else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_a_forked_child_runs_on_one_thread(layer, warm):
    assert run(FORK, NUMBA_THREADING_LAYER=layer, MAGTAPE_CACHE_DIR=str(warm)).stdout == "0\n"


CONCURRENT = """
import sys
import threading
import numpy as np
from ops.kernels import elementwise
from ops.kernels.threads import least_threads, start_pool
function = elementwise.tanh
x = np.linspace(-1, 1, 3_000_000)
if sys.stdin.read() == "before":
    function(x[:9])  # makes the kernel
    assert start_pool() == "workqueue"
else:
    assert start_pool() == "workqueue"
    function(x[:9])
wrong = []
def work():
    for _ in range(10):
        if not np.array_equal(function(x), expected):
            wrong.append(1)
with least_threads(2):
    expected = function(x)
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
print(len(wrong))
"""


@pytest.mark.parametrize("made", ["before", "after"])
def test_python_threads_share_the_workqueue_layer(warm, made):
    """Without the guard numba ends the process: concurrent access has been detected."""
    environment = {"NUMBA_THREADING_LAYER": "workqueue", "MAGTAPE_CACHE_DIR": str(warm)}
    assert run(CONCURRENT, input=made, **environment).stdout == "0\n"


def test_the_notice_appears_once_and_only_when_asked_for(tmp_path):
    program = "from ops.kernels.jit import CompileNotice\nCompileNotice.patience = 0\n" + PROGRAM
    told = run(program, MAGTAPE_CACHE_DIR=str(tmp_path / "a"), MAGTAPE_VERBOSE="1").stderr
    assert told.count("magtape: compiling kernels (once per machine") == 1
    assert "magtape" not in run(program, MAGTAPE_CACHE_DIR=str(tmp_path / "b"), MAGTAPE_VERBOSE=None).stderr
    warm = run(program, MAGTAPE_CACHE_DIR=str(tmp_path / "a"), MAGTAPE_VERBOSE="1").stderr
    assert "magtape" not in warm


def test_numbas_own_settings_stay_untouched():
    program = """
    from numba.core import caching, config
    before = config.CACHE_DIR, list(caching.CacheImpl._locator_classes)
    import ops.kernels.elementwise
    assert before == (config.CACHE_DIR, list(caching.CacheImpl._locator_classes))
    """
    run(program)


PYTHON_MODE = """
import numpy as np
from ops.kernels import adaptive_pool, elementwise, lbfgs, lists, norm, optim, pool, random, row_norm, softmax
from ops.kernels.jit import kernel
def f(): pass
assert not hasattr(kernel(f), "signatures")
for module in (adaptive_pool, elementwise, lbfgs, lists, norm, optim, pool, random, row_norm, softmax):
    for name, call in module.warmup_cases():
        call()
x = np.linspace(-3, 3, 7).astype(np.float32)
print(repr(elementwise.gelu(x).tolist()))
print(repr(random.dropout_forward(np.ones(20, np.float32), 0.5, 7)[1].tolist()))
print(repr(softmax.softmax_forward(x[None]).tolist()))
"""


def test_python_mode_runs_every_kernel_and_agrees():
    python, compiled = (
        run(PYTHON_MODE.replace("assert not", "assert True or"), NUMBA_DISABLE_JIT=off) for off in ("1", "0")
    )
    for a, b in zip(python.stdout.splitlines(), compiled.stdout.splitlines(), strict=True):
        np.testing.assert_allclose(eval(a), eval(b), rtol=1e-6, atol=1e-7)
    assert "Warning" not in python.stderr


def test_doctor_and_warmup(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MAGTAPE_CACHE_DIR": str(tmp_path)}

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ops.kernels", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )

    names = command("warmup", "--list").stdout.splitlines()
    assert len(names) == len(set(names)) > 50
    done = command("warmup", "--only", "relu float32", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert entries(tmp_path)
    report = command("doctor").stdout
    for word in ("numba", "threads", "vectors", str(tmp_path), "BLAS"):
        assert word in report
    assert command("warmup", "--jobs", "0").returncode == 2


def test_warmup_compiles_the_kernels_of_every_module():
    sources = (ROOT / "ops" / "kernels").glob("*.py")
    with_cases = {path.stem for path in sources if "\ndef warmup_cases(" in path.read_text(encoding="utf-8")}
    assert {module.__name__.rpartition(".")[2] for module in command_line.MODULES} == with_cases


def test_what_depends_on_sizes_is_kept_for_the_last_ones_only():
    for function in (pool.divisors, pool.first_columns, tiles.choose_tile, conv_packed.images_packed):
        assert function.cache_info().maxsize is not None, function.__name__


@jit.split
@jit.kernel
def fill_range(start, stop, x, value, scale, *more):
    for i in range(start, stop):
        x[i] += value * scale + (more[0] if len(more) else 0)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_split_cuts_a_range_into_pieces_that_cover_it_once(threads, count):
    """One launch serves arguments of any types: arrays of two dtypes, numbers, and more of them."""
    for dtype in (np.float32, np.float64):
        x = np.ones(count, dtype)
        fill_range(threads, count, x, 2, 1.5)
        fill_range(threads, count, x, np.float32(2), 1.5, 10)
        assert np.array_equal(x, np.full(count, 17, dtype))


def test_a_part_that_fails_on_some_thread_is_reported():
    program = """
    import numpy as np
    from ops.kernels.jit import kernel, split
    @split
    @kernel
    def read(start, stop, x):
        for i in range(start, stop):
            x[i] = x[i + 1]
    for threads in (1, 2):
        try:
            read(threads, 4, np.ones(4))
        except (IndexError, RuntimeError) as error:
            print(type(error).__name__, error)
    """
    printed = run(program, NUMBA_BOUNDSCHECK="1").stdout.splitlines()
    assert printed[0].startswith("IndexError")
    assert printed[1].startswith("RuntimeError a part of a kernel failed")


@jit.kernel
def plus_one(x, n):
    return x + n


@jit.kernel
def three_calls(x, n):
    return plus_one(x, 0) + plus_one(x, 1) + plus_one(x, n)


@pytest.mark.skipif(not hasattr(plus_one, "signatures"), reason="the JIT is off")
def test_literals_compile_no_code_of_their_own():
    assert three_calls(5, 2) == 18
    assert len(plus_one.signatures) <= 1  # none where three_calls, into which it is compiled, came from the disk


@pytest.mark.parametrize("collecting", [True, False])
def test_compiling_leaves_the_garbage_collector_as_it_was(collecting):
    @jit.kernel
    def double(x):
        return 2 * x

    before = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        assert double(3) == 6
        assert gc.isenabled() is collecting
    finally:
        (gc.enable if before else gc.disable)()


def test_kernel_keeps_the_functions_name_and_document():
    @jit.kernel
    def double(x):
        """Twice x."""
        return 2 * x

    assert (double.__name__, double.__doc__) == ("double", "Twice x.")
    assert double(3) == 6
