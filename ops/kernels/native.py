"""Machine code called by address: the CPU it is for, the cache it lives in, how jitted code reaches it.

Numba optimises every callee again inside every caller.  The inner loops of this package ("leaves") are
therefore compiled once, by llvmlite, and reached through their address: `leaf` returns it, `call` jumps to
it.  A `Worker` is a kernel called in the same way.  Both take integers (addresses, byte strides, counts) and
return nothing.
"""

import contextlib
import ctypes
import functools
import hashlib
import os
import uuid
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, codegen, config
from numba.core.ccallback import CFunc
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from ops.kernels.cache import KernelCache, cache_directory, identify
from ops.kernels.compiler import FAST_MATH, KernelCompiler

INT = ir.IntType(ctypes.sizeof(ctypes.c_ssize_t) * 8)

settings: Any = config  # numba sets its attributes from the environment
_addresses: dict[str, int] = {}


def create_target_machine() -> llvm.TargetMachine:
    """Make a code generator for numba's CPU: NUMBA_CPU_NAME and NUMBA_CPU_FEATURES, else the host."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = settings.CPU_FEATURES if settings.CPU_FEATURES is not None else codegen.get_host_cpu_features()
    cpu = settings.CPU_NAME or llvm.get_host_cpu_name()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="jitdefault", jit=True
    )


@functools.cache
def target_machine() -> llvm.TargetMachine:
    """Return the code generator that all leaves share."""
    return create_target_machine()


def assembly(module: ir.Module) -> str:
    """Return the assembly text of a module."""
    return target_machine().emit_assembly(_optimised(module))


def leaf(name: str, emit: Callable[[str], ir.Module]) -> int:
    """Return the address of a leaf, from memory, from the disk cache or compiled now.

    Args:
        name: names the leaf and all its parameters; it is the symbol, the file name and the key.
        emit: builds the module that defines `name`.
    """
    address = _addresses.get(name)
    if address is None:
        with global_compiler_lock:
            address = _addresses.get(name) or _load(name, emit)
            _addresses[name] = address
    return address


def _load(name: str, emit: Callable[[str], ir.Module]) -> int:
    code = _read(name)
    if code is None:
        code = target_machine().emit_object(_optimised(emit(name)))
        _write(name, code)
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return int(engine.get_function_address(name))


@functools.cache
def _engine() -> llvm.ExecutionEngine:
    """Return the owner of all leaves: an address is valid as long as the engine lives."""
    empty = llvm.parse_assembly("")
    empty.triple = target_machine().triple
    return llvm.create_mcjit_compiler(empty, create_target_machine())


def _optimised(module: ir.Module) -> llvm.ModuleRef:
    """Parse a module, move its variables to registers, fold constants; the code generator does the rest."""
    parsed = llvm.parse_assembly(str(module))
    parsed.triple = target_machine().triple
    parsed.data_layout = str(target_machine().target_data)
    parsed.verify()
    builder = llvm.create_pass_builder(target_machine(), llvm.create_pipeline_tuning_options(speed_level=3))
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.run(parsed, builder)
    return parsed


def _digest(name: str, code: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + code).digest()


def _read(name: str) -> bytes | None:
    """Return the object code kept under a name; None if there is none or the file is not what was written."""
    folder = cache_directory()  # its name covers the sources, the versions and the CPU
    if folder is None:
        return None
    try:
        content = (folder / f"{name}.o").read_bytes()
    except OSError:
        return None
    digest, code = content[:32], content[32:]
    return code if digest == _digest(name, code) else None


def _write(name: str, code: bytes) -> None:
    """Keep object code: the file appears whole or not at all, and an unwritable folder is no failure."""
    folder = cache_directory()
    if folder is None:
        return
    temporary = folder / f"{name}.{uuid.uuid4().hex[:12]}.tmp"
    try:
        temporary.write_bytes(_digest(name, code) + code)
        os.replace(temporary, folder / f"{name}.o")
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


class Worker:
    """A kernel called by address, as a leaf is: compiled once, not again inside every caller.

    All parameters are integers, nothing is returned.  `address` compiles it or loads it from the cache.
    """

    def __init__(self, function: Callable[..., None], *, parallel: bool = False) -> None:
        self.function = function
        self.parallel = parallel
        self.__doc__ = function.__doc__

    @functools.cached_property
    def address(self) -> int:
        """The address; with NUMBA_DISABLE_JIT=1 a number by which `call` finds the function."""
        if settings.DISABLE_JIT:
            _python_workers[id(self)] = self.function
            return id(self)
        with global_compiler_lock:
            parameters = (types.intp,) * self.function.__code__.co_argcount
            options = {
                "nopython": True,
                "error_model": "numpy",
                "fastmath": set(FAST_MATH),
                "parallel": self.parallel,
            }
            compiled: Any = CFunc(self.function, (parameters, types.void), {}, options, KernelCompiler)
            identity = identify(self.function, ("worker", self.parallel))
            module = self.function.__module__.rpartition(".")[2]
            if identity is not None:
                compiled._cache = KernelCache(f"{module}.{self.function.__name__}", identity)
            compiled.compile()
            self._keep_alive = compiled
            return int(compiled.address)


_python_workers: dict[int, Callable[..., None]] = {}


if settings.DISABLE_JIT:

    @functools.cache
    def _prototype(count: int) -> Callable[[int], Callable[..., None]]:
        return ctypes.CFUNCTYPE(None, *[ctypes.c_ssize_t] * count)

    def call(address: int, *args: int) -> None:
        """Call the leaf or worker at an address with integer arguments."""
        integers = [int(arg) for arg in args]
        (_python_workers.get(address) or _prototype(len(args))(address))(*integers)

    def address_of(array: np.ndarray) -> int:
        """Return the address of an array's first element."""
        return int(array.ctypes.data)

    def load_integers(address: int, count: int) -> tuple[int, ...]:
        """Return `count` (a literal) numbers of type int64 that lie at an address."""
        return tuple((ctypes.c_int64 * count).from_address(int(address)))

else:

    @intrinsic
    def call(_typing: Any, _address: Any, *args: Any) -> Any:
        """Call the leaf or worker at an address with integer arguments."""

        def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            arguments = cgutils.unpack_tuple(builder, values[1])
            function = ir.FunctionType(ir.VoidType(), [INT] * len(arguments))
            builder.call(builder.inttoptr(values[0], function.as_pointer()), arguments)
            return context.get_dummy_value()

        return types.void(types.intp, types.UniTuple(types.intp, len(args))), emit

    @intrinsic
    def address_of(_typing: Any, array: Any) -> Any:
        """Return the address of an array's first element, without touching its reference count."""

        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.ptrtoint(make_array(signature.args[0])(context, builder, values[0]).data, INT)

        return types.intp(array), emit

    @intrinsic(prefer_literal=True)
    def load_integers(_typing: Any, _address: Any, count: Any) -> Any:
        """Return `count` (a literal) numbers of type int64 that lie at an address."""

        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            first = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
            numbers = [builder.load(builder.gep(first, [ir.IntType(64)(i)])) for i in range(count.literal_value)]
            return context.make_tuple(builder, signature.return_type, numbers)

        return types.UniTuple(types.int64, count.literal_value)(types.intp, count), emit
