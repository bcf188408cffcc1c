"""Matrix products against the triple loop and against NumPy in double precision."""

import os
import platform
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.kernels import gemm, gemm_plan, jit
from ops.kernels.gemm_plan import BLOCKED, DOT, IN_PLACE
from tests.naive import gemm as naive

ROOT = Path(__file__).parent.parent
KINDS = {BLOCKED: "blocked", IN_PLACE: "in place", DOT: "dot"}
DTYPES = [np.float32, np.float64]
LAYOUTS = ["NN", "NT", "TN", "TT"]


def serves(kind: int, a_transposed: bool, b_transposed: bool) -> bool:
    """Whether a way exists for these memory layouts."""
    return {BLOCKED: True, IN_PLACE: not b_transposed, DOT: b_transposed and not a_transposed}[kind]


WAYS = [(kind, layout) for kind in KINDS for layout in LAYOUTS if serves(kind, layout[0] == "T", layout[1] == "T")]


@contextmanager
def replaced(name: str, function: Callable[..., object]) -> Iterator[None]:
    original = getattr(gemm_plan, name)
    setattr(gemm_plan, name, function)
    gemm_plan.plan_product.cache_clear()
    try:
        yield
    finally:
        setattr(gemm_plan, name, original)
        gemm_plan.plan_product.cache_clear()


@contextmanager
def way(kind: int) -> Iterator[None]:
    """Compute every product in this way; not those of one column, which are transposed first."""
    with replaced("choose_kind", lambda *args: kind if serves(kind, *args[-2:]) else BLOCKED):
        yield


@contextmanager
def threads(n: int) -> Iterator[None]:
    before, grain = jit.get_num_threads(), gemm_plan.FLOPS_PER_THREAD
    jit.set_num_threads(n)
    gemm_plan.FLOPS_PER_THREAD = 1
    try:
        yield
    finally:
        jit.set_num_threads(before)
        gemm_plan.FLOPS_PER_THREAD = grain


@pytest.fixture(autouse=True, scope="module")
def own_kernels_only() -> Iterator[None]:
    """Keep small products from going to NumPy, which is what they are compared with."""
    with replaced("numpy_is_faster", lambda *_: False):
        yield


def operand(rows: int, columns: int, dtype: type, seed: int, *, transposed: bool) -> np.ndarray:
    """A random matrix in the middle of a buffer of NaN, transposed in memory on request."""
    rng = np.random.default_rng([seed, rows, columns])
    values = rng.standard_normal((columns, rows) if transposed else (rows, columns)).astype(dtype)
    buffer = np.full(values.size + 128, np.nan, dtype)
    view = buffer[64 : 64 + values.size].reshape(values.shape)
    view[...] = values
    return view.T if transposed else view


def operands(layout: str, m: int, n: int, k: int, dtype: type, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    a = operand(m, k, dtype, seed, transposed=layout[0] == "T")
    return a, operand(k, n, dtype, seed + 1, transposed=layout[1] == "T")


def assert_product(c: np.ndarray, a: np.ndarray, b: np.ndarray, expected: np.ndarray, bias: object = None) -> None:
    """|c - expected| stays within the bound for a sum of K products in any order (Higham, section 3.1)."""
    assert c.shape == expected.shape
    assert c.dtype == a.dtype
    magnitude = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    magnitude = magnitude + (0 if bias is None else np.abs(bias))
    bound = (a.shape[-1] + 4) * np.finfo(a.dtype).eps * magnitude
    assert np.all(np.abs(c - expected) <= bound)


sizes = st.one_of(st.integers(0, 3), st.integers(4, 70))


@pytest.mark.parametrize(("kind", "layout"), WAYS, ids=lambda v: KINDS.get(v, v))
@pytest.mark.parametrize("dtype", DTYPES)
@given(m=sizes, n=sizes, k=sizes, biased=st.booleans(), relu=st.booleans(), chunks=st.integers(1, 3))
@settings(max_examples=60)
def test_every_way_and_layout_agrees_with_double_precision(
    kind: int, layout: str, dtype: type, m: int, n: int, k: int, biased: bool, relu: bool, chunks: int
) -> None:
    a, b = operands(layout, m, n, k, dtype)
    bias = operand(1, n, dtype, 2, transposed=False)[0] if biased else None
    expected = a.astype(np.float64) @ b.astype(np.float64) + (0 if bias is None else bias)
    with way(kind), threads(chunks):
        c = gemm.matmul(a, b, bias=bias, relu=relu)
    assert_product(c, a, b, np.maximum(expected, 0) if relu else expected, bias)


@pytest.mark.parametrize(("kind", "layout"), WAYS, ids=lambda v: KINDS.get(v, v))
@given(m=st.integers(0, 9), n=st.integers(0, 19), k=st.integers(0, 9), relu=st.booleans())
@settings(max_examples=15)
def test_every_way_and_layout_agrees_with_the_triple_loop(
    kind: int, layout: str, m: int, n: int, k: int, relu: bool
) -> None:
    a, b = operands(layout, m, n, k, np.float64)
    bias = operand(1, n, np.float64, 2, transposed=False)[0]
    with way(kind):
        c = gemm.matmul(a, b, bias=bias, relu=relu)
    assert_product(c, a, b, naive.matmul(a, b, bias, relu), bias)


# Larger than a block in one direction at least; rows of 1024 and 2048 alias in the cache.
LARGE = [
    (250, 300, 1100),
    (500, 1100, 520),
    (13, 2100, 600),
    (24, 1100, 520),
    (97, 33, 2048),
    (300, 70, 1024),
    (700, 40, 1),
    (900, 1, 800),
]


@pytest.mark.parametrize("shape", LARGE, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes_larger_than_the_blocks(shape: tuple[int, int, int], layout: str, dtype: type) -> None:
    a, b = operands(layout, *shape, dtype)
    bias = operand(1, shape[1], dtype, 2, transposed=False)[0]
    expected = np.maximum(a.astype(np.float64) @ b.astype(np.float64) + bias, 0)
    assert_product(gemm.matmul(a, b, bias=bias, relu=True), a, b, expected, bias)
    with way(BLOCKED), threads(2):
        assert_product(gemm.matmul(a, b, bias=bias, relu=True), a, b, expected, bias)


@pytest.mark.parametrize(("m", "n", "k"), [(4, 2100, 2100), (2100, 2100, 3)], ids=["large B", "large C"])
def test_operands_larger_than_the_cache(m: int, n: int, k: int) -> None:
    a, b = operands("NN", m, n, k, np.float32)
    assert max(n * k, m * n) * 4 > gemm_plan.CACHE
    assert_product(gemm.matmul(a, b, relu=True), a, b, np.maximum(a.astype(np.float64) @ b, 0))


@pytest.mark.parametrize(("n", "k"), [(5, 128), (12, 130), (16, 128), (33, 127)], ids=str)
def test_more_rows_than_the_cache_holds(n: int, k: int) -> None:
    a, b = operands("NT", 34_000, n, k, np.float32)
    assert a.nbytes > gemm_plan.CACHE
    assert_product(gemm.matmul(a, b), a, b, a.astype(np.float64) @ b)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_over_many_samples_read_the_narrower_operand_in_place(dtype: type) -> None:
    a, b = operands("TN", 100, 300, 1100, dtype)
    assert gemm_plan.is_better_turned(a, b)
    c = gemm.matmul(a, b)
    assert c.flags.c_contiguous
    assert_product(c, a, b, a.astype(np.float64) @ b)
    assert not gemm_plan.is_better_turned(b.T, a.T)


@given(n=st.integers(0, 70), k=sizes)
def test_one_column_is_computed_as_one_row(n: int, k: int) -> None:
    a, b = operands("NN", n, 1, k, np.float32)
    bias = np.full(1, 0.5, np.float32)
    expected = a.astype(np.float64) @ b + 0.5
    assert_product(gemm.matmul(a, b, bias=bias), a, b, expected, bias)


@given(n=sizes, inputs=sizes, outputs=sizes, relu=st.booleans())
def test_linear_multiplies_by_the_transposed_weight(n: int, inputs: int, outputs: int, relu: bool) -> None:
    x = operand(n, inputs, np.float32, 0, transposed=False)
    w = operand(outputs, inputs, np.float32, 1, transposed=False)
    bias = operand(1, outputs, np.float32, 2, transposed=False)[0]
    expected = x.astype(np.float64) @ w.T + bias
    c = gemm.linear(x, w, bias, relu)
    assert_product(c, x, w.T, np.maximum(expected, 0) if relu else expected, bias)


# ---- batches ----


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(
    batch=st.integers(0, 5),
    m=st.integers(0, 20),
    n=st.integers(0, 40),
    k=st.integers(0, 30),
    chunks=st.integers(1, 3),
)
@settings(max_examples=40)
def test_batches(layout: str, dtype: type, batch: int, m: int, n: int, k: int, chunks: int) -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((batch, k, m) if layout[0] == "T" else (batch, m, k)).astype(dtype)
    b = rng.standard_normal((batch, n, k) if layout[1] == "T" else (batch, k, n)).astype(dtype)
    a = a.swapaxes(1, 2) if layout[0] == "T" else a
    b = b.swapaxes(1, 2) if layout[1] == "T" else b
    with threads(chunks):
        c = gemm.batched_matmul(a, b)
    assert_product(c, a, b, np.matmul(a, b, dtype=np.float64))


@pytest.mark.parametrize("shared", ["a of one", "b of one", "a of stride 0", "b of stride 0"])
def test_one_matrix_serves_the_whole_batch(shared: str) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((4, 5, 6)), rng.standard_normal((4, 6, 7))
    if shared.startswith("a"):
        a = a[:1] if "one" in shared else np.broadcast_to(a[:1], a.shape)
    else:
        b = b[:1] if "one" in shared else np.broadcast_to(b[:1], b.shape)
    assert_product(gemm.batched_matmul(a, b), a, b, naive.batched_matmul(a, b))


# ---- arguments ----


def strided(x: np.ndarray, form: str) -> np.ndarray:
    """The same values in another memory layout."""
    rows, columns = x.shape
    if form == "every other column":
        held = np.full((rows, 2 * columns), np.nan, x.dtype)[:, ::2]
    elif form == "rows of a wider matrix":
        held = np.full((rows, columns + 5), np.nan, x.dtype)[:, 2 : columns + 2]
    elif form == "columns of a wider transpose":
        held = np.full((columns, rows + 5), np.nan, x.dtype)[:, 2 : rows + 2].T
    elif form == "backwards":
        held = np.empty_like(x)[::-1, ::-1]
    elif form == "unaligned":
        held = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    else:
        held = np.empty_like(x)
    held[...] = x
    if form == "read-only":
        held.flags.writeable = False
    return held


FORMS = [
    "every other column",
    "rows of a wider matrix",
    "columns of a wider transpose",
    "backwards",
    "unaligned",
    "read-only",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_strides_are_accepted_and_inputs_stay_as_they_were(form: str, dtype: type) -> None:
    rng = np.random.default_rng(0)
    a, b, bias = (rng.standard_normal(shape).astype(dtype) for shape in ((9, 23), (23, 37), (1, 37)))
    given_a, given_b, given_bias = strided(a, form), strided(b, form), strided(bias, form)[0]
    expected = a.astype(np.float64) @ b + bias
    assert_product(gemm.matmul(given_a, given_b, bias=given_bias), a, b, expected, bias[0])
    assert_product(gemm.matmul(given_a, b), a, b, expected - bias)
    assert_product(gemm.batched_matmul(given_a[None], given_b[None])[0], a, b, expected - bias)
    assert np.array_equal(given_a, a)
    assert np.array_equal(given_b, b)


@pytest.mark.parametrize(("kind", "layout"), WAYS, ids=lambda v: KINDS.get(v, v))
@given(m=st.integers(1, 30), n=st.integers(1, 70), k=st.integers(0, 20))
@settings(max_examples=25)
def test_nothing_is_written_around_the_output(kind: int, layout: str, m: int, n: int, k: int) -> None:
    a, b = operands(layout, m, n, k, np.float32)
    buffer = np.full(m * n + 200, 7.5, np.float32)
    out = buffer[100 : 100 + m * n].reshape(m, n)
    with way(kind), threads(2):
        assert gemm.matmul(a, b, out=out) is out
    assert_product(out, a, b, a.astype(np.float64) @ b)
    assert np.all(buffer[:100] == 7.5)
    assert np.all(buffer[100 + m * n :] == 7.5)


def test_the_output_may_be_strided_or_overlap_an_input() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((40, 40)), rng.standard_normal((40, 40))
    expected = a @ b
    out = np.empty((40, 80))[:, ::2]
    assert gemm.matmul(a, b, out=out) is out
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12)
    assert gemm.matmul(a, b, out=a) is a
    np.testing.assert_allclose(a, expected, rtol=0, atol=1e-12)


def test_small_products_go_to_numpy_without_its_warnings() -> None:
    rng = np.random.default_rng(0)
    a, b, bias = rng.standard_normal((5, 6)), rng.standard_normal((6, 7)), rng.standard_normal(7)
    with replaced("numpy_is_faster", lambda *_: True):
        assert_product(gemm.matmul(a, b, bias=bias, relu=True), a, b, naive.matmul(a, b, bias, True), bias)
        assert_product(gemm.batched_matmul(a[None], b[None])[0], a, b, naive.matmul(a, b))
        opposed = np.array([[np.inf, -np.inf]])
        assert np.isnan(gemm.matmul(opposed, np.ones((2, 1)), bias=np.zeros(1))).all()
        assert np.isnan(gemm.batched_matmul(opposed[None], np.ones((1, 2, 1)))).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: gemm.matmul(np.ones((2, 3)), np.ones((4, 5))),
            r"matmul: cannot multiply \(2, 3\) by \(4, 5\)",
        ),
        (lambda: gemm.matmul(np.ones(3), np.ones((3, 5))), r"matmul: cannot multiply \(3,\)"),
        (lambda: gemm.matmul(np.ones((2, 3)), np.ones((3, 5), np.float32)), "got float64 and float32"),
        (lambda: gemm.matmul(np.ones((2, 3), int), np.ones((3, 5), int)), "got int64 and int64"),
        (lambda: gemm.matmul(np.ones((2, 3)), np.ones((3, 5)), bias=np.ones(4)), r"bias is float64 \(4,\)"),
        (
            lambda: gemm.matmul(np.ones((2, 3)), np.ones((3, 5)), out=np.ones((2, 4))),
            r"out is float64 \(2, 4\)",
        ),
        (
            lambda: gemm.batched_matmul(np.ones((2, 2, 3)), np.ones((3, 3, 5))),
            "batched_matmul: cannot multiply",
        ),
    ],
)
def test_errors_name_the_function_and_what_it_got(call: Callable[[], object], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        call()


# ---- special values ----


@pytest.mark.parametrize(("kind", "layout"), WAYS, ids=lambda v: KINDS.get(v, v))
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_values_reach_exactly_the_elements_they_enter(kind: int, layout: str, special: float) -> None:
    a, b = operands(layout, 14, 37, 21, np.float32)
    a[a < 0] = 0  # 0 * inf is NaN
    b[5, 36] = a[13, 20] = special
    with np.errstate(invalid="ignore"):
        expected = a.astype(np.float64) @ b
    with way(kind):
        c, rectified = gemm.matmul(a, b), gemm.matmul(a, b, relu=True)
    finite = np.isfinite(expected)
    assert not finite.all()
    np.testing.assert_allclose(c[finite], expected[finite], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(c[~finite], expected[~finite].astype(np.float32))
    np.testing.assert_array_equal(np.isnan(rectified), np.isnan(expected))
    assert np.all(rectified[~np.isnan(expected)] >= 0)


# ---- threads ----


@pytest.mark.parametrize("shape", [(300, 200, 700), (8, 500, 784), (10, 512, 64)], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_two_runs_give_the_same_bits(shape: tuple[int, int, int], layout: str, chunks: int) -> None:
    a, b = operands(layout, *shape, np.float32)
    with threads(chunks):
        first, second = gemm.matmul(a, b), gemm.matmul(a, b)
    assert first.tobytes() == second.tobytes()
    assert_product(first, a, b, a.astype(np.float64) @ b)


def test_python_threads_may_multiply_at_once() -> None:
    shapes = [(260, 70, 1024), (120, 130, 140), (9, 300, 200)]
    problems = [operands(layout, *shape, np.float32) for shape in shapes for layout in ("NN", "NT")]
    expected = [gemm.matmul(a, b) for a, b in problems]
    wrong: list[int] = []

    def work(start: int) -> None:
        for q in range(30):
            i = (start + q) % len(problems)
            if not np.array_equal(gemm.matmul(*problems[i]), expected[i]):
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(s,)) for s in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


# ---- other processes ----

CHECK = """
    import numpy as np
    from ops.kernels import gemm, gemm_plan, simd
    gemm_plan.numpy_is_faster = lambda *_: False
    choose = gemm_plan.choose_kind
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        for m, n, k in SHAPES:
            for layout in ("NN", "NT", "TN", "TT"):
                a = rng.standard_normal((k, m) if layout[0] == "T" else (m, k)).astype(dtype)
                b = rng.standard_normal((n, k) if layout[1] == "T" else (k, n)).astype(dtype)
                a, b = a.T if layout[0] == "T" else a, b.T if layout[1] == "T" else b
                bias = rng.standard_normal(n).astype(dtype)
                expected = np.maximum(a.astype(np.float64) @ b + bias, 0)
                for choice in (choose, lambda *_: gemm_plan.BLOCKED):
                    gemm_plan.choose_kind = choice
                    gemm_plan.plan_product.cache_clear()
                    c = gemm.matmul(a, b, bias=bias, relu=True)
                    error = np.abs(c - expected).max(initial=0)
                    assert error <= 1e-5 * (k + 1), (dtype, m, n, k, layout, error)
    print("vectors of", simd.vector_bytes())
"""


def run(script: str, **environment: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **environment}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_python_mode() -> None:
    shapes = "[(1, 3, 5), (5, 1, 4), (3, 20, 7), (13, 35, 2), (2, 2, 0)]"
    assert "vectors" in run(CHECK.replace("SHAPES", shapes), NUMBA_DISABLE_JIT="1")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names x86 processors")
@pytest.mark.parametrize(("cpu", "width"), [("haswell", 32), ("x86-64", 16)])
def test_processors_with_narrower_vectors(cpu: str, width: int, tmp_path: Path) -> None:
    script = CHECK.replace("SHAPES", "[(1, 40, 33), (30, 50, 70), (13, 35, 2)]")
    output = run(script, NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES="", MAGTAPE_CACHE_DIR=str(tmp_path))
    assert output.strip() == f"vectors of {width}"


@pytest.mark.parametrize("damage", ["truncated", "foreign", "empty"])
def test_damaged_leaves_are_compiled_again(damage: str, tmp_path: Path) -> None:
    script = CHECK.replace("SHAPES", "[(30, 50, 70)]")
    run(script, MAGTAPE_CACHE_DIR=str(tmp_path))
    leaves = sorted(tmp_path.rglob("*.o"))
    assert leaves
    whole = {leaf: leaf.read_bytes() for leaf in leaves}
    for leaf, other in zip(leaves, leaves[1:] + leaves[:1], strict=True):
        leaf.write_bytes({"truncated": whole[leaf][:-9], "foreign": whole[other], "empty": b""}[damage])
    run(script, MAGTAPE_CACHE_DIR=str(tmp_path))
    assert {leaf: leaf.read_bytes() for leaf in leaves} == whole
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_cache_folder_that_cannot_be_used_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    run(CHECK.replace("SHAPES", "[(5, 6, 7)]"), MAGTAPE_CACHE_DIR=str(tmp_path / "file"))


GUARDED = """
    import ctypes, mmap
    libc = ctypes.CDLL(None, use_errno=True)
    PAGE, held = mmap.PAGESIZE, []

    def guarded(x, at_end):
        "A copy of x that ends where, or begins where, memory that must not be touched begins, or ends."
        pages = -(-x.nbytes // PAGE) + 2
        area = mmap.mmap(-1, pages * PAGE)
        held.append(area)
        start = ctypes.addressof(ctypes.c_char.from_buffer(area))
        for page in (0, pages - 1):
            assert libc.mprotect(ctypes.c_void_p(start + page * PAGE), PAGE, 0) == 0
        offset = (pages - 1) * PAGE - x.nbytes if at_end else PAGE
        copy = np.frombuffer(area, x.dtype, x.size, offset).reshape(x.shape)
        copy[...] = x
        return copy

    import numpy as np
    from ops.kernels import gemm, gemm_plan
    gemm_plan.numpy_is_faster = lambda *_: False
    choose = gemm_plan.choose_kind
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        for m, n, k in SHAPES:
            for layout in ("NN", "NT", "TN", "TT"):
                for at_end in (False, True):
                    a = rng.standard_normal((k, m) if layout[0] == "T" else (m, k))
                    b = rng.standard_normal((n, k) if layout[1] == "T" else (k, n))
                    a, b = guarded(a.astype(dtype), at_end), guarded(b.astype(dtype), at_end)
                    a, b = a.T if layout[0] == "T" else a, b.T if layout[1] == "T" else b
                    bias, out = guarded(np.ones(n, dtype), at_end), guarded(np.zeros((m, n), dtype), at_end)
                    for choice in (choose, lambda *_: gemm_plan.BLOCKED):
                        gemm_plan.choose_kind = choice
                        gemm_plan.plan_product.cache_clear()
                        gemm.matmul(a, b, bias=bias, out=out)
                        assert np.abs(out - (a.astype(np.float64) @ b + 1)).max() < 1e-3
                    del a, b, bias, out

    # One tile with a bias per row, which no matrix product asks for.
    from ops.kernels import simd
    rows, lanes = (12 if simd.registers() == 32 else 6), simd.lanes(np.float32)
    shift = np.arange(2) * lanes * 4
    for valid in range(1, rows + 1):
        for at_end in (False, True):
            bias = guarded(np.ones(valid, np.float32), at_end)
            c = guarded(np.zeros((valid, 2 * lanes), np.float32), at_end)
            table, segment = np.array([shift, shift, [lanes] * 2], np.int64), np.zeros((1, 2), np.int64)
            arguments = [0, 0, 0, 0, 0, segment, 0, 0, table, 0, c, 8 * lanes, 2, bias, 0, valid]
            arguments = [x.ctypes.data if isinstance(x, np.ndarray) else x for x in arguments]
            leaf = simd.outer_product(rows, 2, np.float32)
            ctypes.CFUNCTYPE(None, *[ctypes.c_ssize_t] * 16)(leaf)(*arguments)
            assert (c == 1).all()
            del bias, c
"""


@pytest.mark.skipif(sys.platform != "linux", reason="uses mprotect")
def test_no_operand_is_touched_outside_its_elements() -> None:
    shapes = [
        (1, 1, 1),
        (1, 33, 40),
        (5, 6, 17),
        (13, 37, 21),
        (3, 100, 9),
        (25, 17, 150),
        (50, 3, 64),
        (9, 31, 1024),
    ]
    run(GUARDED.replace("SHAPES", str(shapes)))
