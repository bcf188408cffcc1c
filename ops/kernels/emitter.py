"""Writing LLVM IR for vector code: byte addresses, masks, structured loops and branches."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numpy.typing import DTypeLike

from ops.kernels.native import INT, assembly, leaf

INT32, BIT = ir.IntType(32), ir.IntType(1)

LINE = 64
"""Bytes of a cache line."""


@functools.cache
def vector_bytes() -> int:
    """Return the width of the CPU's vectors: 64 (AVX-512), 32 (AVX2 with FMA) or 16 (NEON, SSE).

    LLVM is asked what becomes of a fused multiply-add over 64 bytes, which answers for a named CPU and for a
    list of features alike.
    """
    e = Emitter("probe", 1, np.float32, width=64)
    (address,) = e.arguments
    e.store(e.multiply_add(e.load(address), e.load(address), e.load(address)), address)
    text = assembly(e.finish())
    if "vfmadd" not in text:
        return 16
    return 64 if "zmm" in text else 32


@functools.cache
def registers() -> int:
    """Return how many vector registers the CPU has."""
    return 32 if vector_bytes() == 64 or llvm.get_process_triple().startswith(("aarch64", "arm64")) else 16


def lanes(dtype: DTypeLike) -> int:
    """Return how many elements one vector holds."""
    return vector_bytes() // np.dtype(dtype).itemsize


class Emitter:
    """Writes one function that takes integers, with vectors of one element type."""

    def __init__(self, name: str, parameters: int, dtype: DTypeLike, width: int | None = None) -> None:
        self.size = np.dtype(dtype).itemsize
        self.vector_size = width or vector_bytes()
        self.lanes = self.vector_size // self.size
        self.element: ir.Type = ir.FloatType() if self.size == 4 else ir.DoubleType()
        self.vector = ir.VectorType(self.element, self.lanes)
        self.suffix = f"v{self.lanes}f{8 * self.size}"
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)
        self.module = ir.Module(name)
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [INT] * parameters), name)
        function.attributes.add("nounwind")
        self.entry = ir.IRBuilder(function.append_basic_block("entry"))  # holds the variables
        self.builder = ir.IRBuilder(function.append_basic_block("body"))
        self.arguments = function.args

    def finish(self) -> ir.Module:
        """Close the function and return its module."""
        self.entry.branch(self.entry.function.blocks[1])
        self.builder.ret_void()
        return self.module

    # ---- integers ----

    def add(self, a: ir.Value, b: ir.Value | int) -> ir.Value:
        """a + b."""
        return self.builder.add(a, INT(b) if isinstance(b, int) else b)

    def multiply(self, a: ir.Value, b: int) -> ir.Value:
        """a * b."""
        return self.builder.mul(a, INT(b))

    def minimum(self, a: ir.Value, b: int) -> ir.Value:
        """min(a, b)."""
        return self.builder.select(self.compare(a, "<", b), a, INT(b))

    def compare(self, a: ir.Value, operator: str, b: int) -> ir.Value:
        """Whether `a operator b`, signed."""
        return self.builder.icmp_signed(operator, a, INT(b))

    def where(self, condition: ir.Value, a: ir.Value, b: int = 0) -> ir.Value:
        """Choose a if the condition holds, else b."""
        return self.builder.select(condition, a, INT(b))

    def load_integer(self, address: ir.Value, index: int) -> ir.Value:
        """Read entry `index` of a table of int64."""
        return self.builder.load(self._pointer(self.add(address, 8 * index), INT))

    # ---- vectors ----

    def _pointer(self, address: ir.Value, of: ir.Type) -> ir.Value:
        return self.builder.inttoptr(address, of.as_pointer())

    def _intrinsic(self, name: str, result: ir.Type, arguments: Sequence[ir.Value]) -> ir.Value:
        name = f"llvm.{name}.{self.suffix}" + (".p0" if name.startswith("masked") else "")
        return self.builder.call(self._declared(name, result, [arg.type for arg in arguments]), arguments)

    def _declared(self, name: str, result: ir.Type, arguments: Sequence[ir.Type]) -> ir.Function:
        declared = self.module.globals.get(name)
        return declared or ir.Function(self.module, ir.FunctionType(result, arguments), name)

    def load(self, address: ir.Value, mask: ir.Value | None = None) -> ir.Value:
        """Read a vector; lanes outside the mask are zero and their memory is not touched."""
        pointer = self._pointer(address, self.vector)
        if mask is None:
            return self.builder.load(pointer, align=self.size)
        return self._intrinsic("masked.load", self.vector, [pointer, INT32(self.size), mask, self.zero])

    def store(self, value: ir.Value, address: ir.Value, mask: ir.Value | None = None) -> None:
        """Write a vector, or its lanes inside the mask."""
        pointer = self._pointer(address, self.vector)
        if mask is None:
            self.builder.store(value, pointer, align=self.size)
        else:
            self._intrinsic("masked.store", ir.VoidType(), [value, pointer, INT32(self.size), mask])

    def prefetch(self, address: ir.Value, *, write: bool = False, level: int = 1) -> None:
        """Fetch a line into the cache of a level, 1 or 2, to be read or written; none where there is no memory."""
        pointer = self._pointer(address, ir.IntType(8))
        types = [pointer.type, INT32, INT32, INT32]
        function = self._declared("llvm.prefetch.p0", ir.VoidType(), types)
        self.builder.call(function, [pointer, INT32(int(write)), INT32(4 - level), INT32(1)])  # 1: data

    def broadcast(self, scalar: ir.Value) -> ir.Value:
        """Copy a scalar to all lanes."""
        undefined = ir.Constant(ir.VectorType(scalar.type, self.lanes), ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, INT32(0))
        return self.shuffle(first, first, [0] * self.lanes)

    def load_broadcast(self, address: ir.Value) -> ir.Value:
        """Read one element and copy it to all lanes."""
        return self.broadcast(self.builder.load(self._pointer(address, self.element), align=self.size))

    def shuffle(self, a: ir.Value, b: ir.Value, pick: Sequence[int]) -> ir.Value:
        """Pick lanes of a (numbered from 0) and of b (numbered from `lanes`)."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT32, len(pick)), list(pick)))

    def multiply_add(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """a * b + c, fused where the CPU can."""
        return self._intrinsic("fmuladd", self.vector, [a, b, c])

    def sum_of_lanes(self, value: ir.Value) -> ir.Value:
        """The scalar that all lanes add up to, in any order."""
        function = self._declared(f"llvm.vector.reduce.fadd.{self.suffix}", self.element, [self.element, self.vector])
        return self.builder.call(function, [ir.Constant(self.element, 0.0), value], fastmath=("reassoc",))

    def relu_bound(self, relu: ir.Value) -> ir.Value:
        """The least value that passes: 0 if `relu` is not 0, else minus infinity."""
        bounds = ir.Constant(self.element, 0.0), ir.Constant(self.element, float("-inf"))
        return self.broadcast(self.builder.select(self.compare(relu, "!=", 0), *bounds))

    def at_least(self, value: ir.Value, low: ir.Value) -> ir.Value:
        """max(value, low); NaN passes through."""
        return self.builder.select(self.builder.fcmp_ordered("<", value, low), low, value)

    def mask(self, count: ir.Value) -> ir.Value:
        """The lanes below `count`, which may be negative or exceed a vector."""
        lane = ir.Constant(ir.VectorType(INT32, self.lanes), list(range(self.lanes)))
        within = self.where(self.compare(count, ">", 0), self.minimum(count, self.lanes))
        return self.builder.icmp_signed("<", lane, self.broadcast(self.builder.trunc(within, INT32)))

    def bit_mask(self, bits: ir.Value) -> ir.Value:
        """The lanes l of which bit l is set."""
        return self.builder.bitcast(self.builder.trunc(bits, ir.IntType(self.lanes)), ir.VectorType(BIT, self.lanes))

    def interleaved(self, even: ir.Value, odd: ir.Value) -> list[ir.Value]:
        """Return even[0], odd[0], even[1], odd[1] ... as two vectors."""
        pick = [lane // 2 + self.lanes * (lane % 2) for lane in range(2 * self.lanes)]
        return [self.shuffle(even, odd, part) for part in (pick[: self.lanes], pick[self.lanes :])]

    # ---- variables and control flow ----

    def variable(self, value: ir.Value) -> ir.Value:
        """Make a variable (the optimiser keeps it in a register)."""
        slot = self.entry.alloca(value.type)
        self.builder.store(value, slot)
        return slot

    def get(self, slot: ir.Value) -> ir.Value:
        """The variable's value."""
        return self.builder.load(slot)

    def set(self, slot: ir.Value, value: ir.Value) -> None:
        """Assign the variable."""
        self.builder.store(value, slot)

    def advance(self, slot: ir.Value, by: ir.Value | int) -> None:
        """Add to the variable."""
        self.set(slot, self.add(self.get(slot), by))

    @contextmanager
    def repeat(self, count: ir.Value) -> Iterator[None]:
        """Run the body `count` times, never when count <= 0."""
        remaining = self.variable(count)
        body, end = self.builder.append_basic_block("repeat"), self.builder.append_basic_block("end")
        self.builder.cbranch(self.compare(count, ">", 0), body, end)
        self.builder.position_at_end(body)
        yield
        self.advance(remaining, -1)
        self.builder.cbranch(self.compare(self.get(remaining), ">", 0), body, end)
        self.builder.position_at_end(end)

    @contextmanager
    def when(self, a: ir.Value, operator: str, b: int) -> Iterator[None]:
        """Run the body if `a operator b`."""
        with self.builder.if_then(self.compare(a, operator, b)):
            yield

    def choose(self, condition: ir.Value, then: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """Run `then` if the condition holds, else `otherwise`."""
        with self.builder.if_else(condition) as (yes, no):
            with yes:
                then()
            with no:
                otherwise()


def vector_leaf(kind: str, parameters: int, dtype: DTypeLike, emit: Callable[[Emitter], None], *numbers: int) -> int:
    """Return the address of the leaf that `emit` writes; kind, element type and numbers name it."""

    def module(name: str) -> ir.Module:
        e = Emitter(name, parameters, dtype)
        emit(e)
        return e.finish()

    return leaf("_".join([kind, np.dtype(dtype).name, *map(str, numbers)]), module)
