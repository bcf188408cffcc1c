"""Work spread over threads: one parallel loop, compiled once, calls everything else by its address.

Numba compiles a parallel loop in three functions, each of which takes in all that the loop calls: 0.5 s for every
kernel and type, where its work alone takes 0.1 s. Here the only loop of that kind is `run_chunks`. Whoever has work
for threads packs its arguments into a block in memory, next to which lies a few lines' function that unpacks them
and calls the work on chunk t.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import _dispatcher, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from ops.kernels.compiler import kernel
from ops.kernels.native import INT, Worker, call, settings
from ops.kernels.threads import register_parallel


def run_chunks(chunk, block, chunks):
    """Call chunk(block, t, chunks) for every t < chunks, on as many threads."""
    for t in prange(chunks):
        call(chunk, block, t, chunks)


RUN_CHUNKS = Worker(run_chunks, parallel=True)


def split(part: Callable[..., None]) -> Callable[..., None]:
    """Make launch(threads, count, *arguments) from a kernel part(start, stop, *arguments).

    It cuts range(count) into as many pieces as there are threads and runs `part` on each. One thread runs `part`
    itself: work too small to be divided has no use for a block.
    """
    addresses: dict[Any, int] = {}

    def launch(threads: int, count: int, *arguments: Any) -> None:
        if threads == 1:
            part(0, count, *arguments)
        elif settings.DISABLE_JIT:
            for t in range(threads):
                part(count * t // threads, count * (t + 1) // threads, *arguments)
        else:
            kinds = _dispatcher.compute_fingerprint(arguments)  # their types, as numba's own dispatch tells them
            address = addresses.get(kinds)
            if address is None:
                address = addresses[kinds] = native_address(part, arguments)
            run_parts(threads, count, RUN_CHUNKS.address, address, *arguments)

    return launch


def native_address(part: Any, arguments: tuple[Any, ...]) -> int:
    """Return where the machine code of `part` for arguments of such types begins."""
    code = part.py_func.__code__
    named = code.co_argcount - 2
    kinds = [numba.typeof(argument) for argument in arguments[:named]]
    if code.co_flags & inspect.CO_VARARGS:
        kinds.append(numba.typeof(arguments[named:]))
    signature = (types.intp, types.intp, *kinds)
    part.compile(signature)
    compiled = part.overloads[signature]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


if settings.DISABLE_JIT:

    def call_chunks(_driver: int, worker: int, chunks: int, *integers: int) -> None:
        """Call worker(*integers, t, chunks) for every t < chunks; `driver` is the address of RUN_CHUNKS."""
        for t in range(chunks):
            call(worker, *integers, t, chunks)

else:

    @intrinsic
    def call_chunks(_typing, _driver, _worker, _chunks, *integers):
        """Call worker(*integers, t, chunks) for every t < chunks; `driver` is the address of RUN_CHUNKS."""

        def emit(context, builder, _signature, values):
            driver, worker, chunks, packed = values
            numbers = cgutils.unpack_tuple(builder, packed)

            def call_worker(b, block, t, count):
                function, *unpacked = block
                arguments = [*unpacked, t, count]
                kind = ir.FunctionType(ir.VoidType(), [INT] * len(arguments))
                b.call(b.inttoptr(function, kind.as_pointer()), arguments)

            emit_chunks(builder, driver, chunks, [worker, *numbers], call_worker)
            return context.get_dummy_value()

        return types.void(types.intp, types.intp, types.intp, types.UniTuple(types.intp, len(integers))), emit

    @intrinsic
    def call_parts(_typing, threads, count, driver, part, arguments):
        """Call part(start, stop, *arguments), a kernel's machine code, for each of `threads` pieces of range(count)."""

        def emit(context, builder, signature, values):
            threads, count, driver, part, packed = values
            kinds = (types.intp, types.intp, *signature.args[-1])
            failed = cgutils.alloca_once_value(builder, INT(0))

            def call_part(b, block, t, chunks):
                function, total, failure, *unpacked = block
                bounds = [b.sdiv(b.mul(total, i), chunks) for i in (t, b.add(t, INT(1)))]
                kind = context.call_conv.get_function_type(types.none, kinds)
                callee = b.inttoptr(function, kind.as_pointer())
                status, _ = context.call_conv.call_function(b, callee, types.none, kinds, [*bounds, *unpacked])
                with b.if_then(status.is_error):
                    b.store(INT(1), failure)

            elements = cgutils.unpack_tuple(builder, packed)
            emit_chunks(builder, driver, threads, [part, count, failed, *elements], call_part)
            with builder.if_then(cgutils.is_true(builder, builder.load(failed)), likely=False):
                message = "a part of a kernel failed; on one thread it says where"
                context.call_conv.return_user_exc(builder, RuntimeError, (message,))
            return context.get_dummy_value()

        return types.void(threads, count, driver, part, arguments), emit


def emit_chunks(
    builder: ir.IRBuilder, driver: ir.Value, chunks: ir.Value, values: list[ir.Value], emit: Callable[..., None]
) -> None:
    """Emit a call of driver(chunk, block, chunks): `block` holds the values, `chunk` unpacks them for what is emitted.

    emit(builder, values, t, chunks) writes the body of `chunk`.
    """
    block = cgutils.alloca_once(builder, ir.LiteralStructType([value.type for value in values]))
    for i, value in enumerate(values):
        builder.store(value, cgutils.gep_inbounds(builder, block, 0, i))
    name = builder.module.get_unique_name(f"{builder.function.name}.chunk")
    chunk = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [INT] * 3), name)
    chunk.linkage = "internal"
    inner = ir.IRBuilder(chunk.append_basic_block("entry"))
    place = inner.inttoptr(chunk.args[0], block.type)
    unpacked = [inner.load(cgutils.gep_inbounds(inner, place, 0, i)) for i in range(len(values))]
    emit(inner, unpacked, *chunk.args[1:])
    inner.ret_void()
    run = builder.inttoptr(driver, ir.FunctionType(ir.VoidType(), [INT] * 3).as_pointer())
    builder.call(run, [builder.ptrtoint(chunk, INT), builder.ptrtoint(block, INT), chunks])


@kernel
def run_parts(threads, count, driver, part, *arguments):
    """Run a kernel's machine code on `threads` pieces of range(count)."""
    call_parts(threads, count, driver, part, arguments)


register_parallel(run_parts)
