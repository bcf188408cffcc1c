"""How kernels are compiled: the one place that decides fast-math flags, error model, caching and what is left out.

Most of the first training step on a machine is compiling. Three things numba does for every function are of no use
to ours: a second entry, for callers in C; a round of optimisation before the function is linked into its module,
whose own two rounds find the same; and garbage collection amid the many objects of a compilation under way. Without
them LeNet's kernels compile in four fifths of the time.
"""

import gc
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast, overload

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher

from ops.kernels.cache import KernelCache, identify
from ops.kernels.threads import register_parallel

P = ParamSpec("P")
R = TypeVar("R")

FAST_MATH = {"contract", "reassoc", "nsz", "arcp"}
"""Liberties of the optimiser.  Never `nnan` or `ninf`: they let it delete tests for NaN and infinity."""
EXACT_MATH = {"contract", "nsz"}
"""The same without regrouping sums and without turning x / y into x * (1 / y)."""


class KernelLibrary(JITCodeLibrary):
    """The module a kernel is linked into: optimised as a whole, not function by function before.

    Only variables are moved to registers before. Without that, branches that depend on a number, as momentum's first
    step does, stay inside loops, which then are no vector code.
    """

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout
        passes = llvm.create_new_module_pass_manager()
        passes.add_sroa_pass()
        passes.run(ll_module, self._codegen._pass_builder())


class KernelCompiler(Compiler):
    """Compile a kernel into a `KernelLibrary`, while the garbage collector rests."""

    def compile_extra(self, func: Any) -> Any:
        """Compile a function and, on the way, the kernels it calls."""
        if self.state.library is None:
            self.state.library = KernelLibrary(self.state.targetctx.codegen(), func.__qualname__)
            self.state.library.enable_object_caching()
        collecting = gc.isenabled()
        gc.disable()
        try:
            return super().compile_extra(func)
        finally:
            if collecting:
                gc.enable()


class KernelDispatcher(CPUDispatcher):
    """A compiled kernel, in which a literal argument is a number like any other: f(x, 0) needs no code of its own."""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Resolve a call by another kernel."""
        plain = {name: types.unliteral(kind) for name, kind in kws.items()}
        return super().get_call_template(tuple(map(types.unliteral, args)), plain)


@overload
def kernel(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def kernel(
    *, parallel: bool = False, inline: bool = False, reassociate: bool = True
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def kernel(
    function: Callable[..., Any] | None = None,
    /,
    *,
    parallel: bool = False,
    inline: bool = False,
    reassociate: bool = True,
) -> Callable[..., Any]:
    """Compile a function at its first call, once per signature and machine.

    Division follows NumPy (no ZeroDivisionError: its branch would stop vectorisation) and the GIL is
    released.  A kernel may call kernels of any file of this package and close over them, over numbers,
    strings and dtypes. `inline` forces it into its callers, whose loops could not become vector code around a
    call. `reassociate=False` keeps the order of operations as written, for code whose roundings cancel by
    design. With NUMBA_DISABLE_JIT=1 kernels run as plain Python, overflowing as silently as compiled code
    does.
    """
    options = {
        "fastmath": set(FAST_MATH if reassociate else EXACT_MATH),
        "parallel": parallel,
        "forceinline": inline,
        "no_cfunc_wrapper": True,  # none is called as a C function: those are workers
    }
    if function is None:
        return lambda f: _compile_later(f, options)
    return _compile_later(function, options)


def _compile_later(function: Callable[P, R], options: dict[str, Any]) -> Callable[P, R]:
    dispatcher: Any = numba.njit(nogil=True, error_model="numpy", pipeline_class=KernelCompiler, **options)(function)
    if dispatcher is function:  # NUMBA_DISABLE_JIT
        return np.errstate(all="ignore")(function)
    dispatcher.__class__ = KernelDispatcher
    identity = identify(function, (*sorted(options["fastmath"]), options["parallel"], options["forceinline"]))
    if identity is not None:
        dispatcher._set_uuid(f"magtape-{identity}")  # else a random one, and kernels closing over it never hit
        dispatcher._cache = KernelCache(f"{function.__module__.rpartition('.')[2]}.{function.__name__}", identity)
    if options["parallel"]:
        register_parallel(dispatcher)
    return cast("Callable[P, R]", dispatcher)
