"""Module: the base of every layer and model. It holds state; the computing is done by functions."""

from collections.abc import Callable
from typing import Any, Self

from autograd import dtypes
from autograd.device import check_device, device
from autograd.hooks import RemovableHandle
from autograd.tensor import Tensor
from autograd.tracing import modules
from nn.module_errors import locate, path_of
from nn.module_hooks import Hook, ModuleHooks, add
from nn.module_registry import BUFFERS, MODULE
from nn.module_state import State
from nn.parameter import forget_gradients


class Module(State):
    """A layer or a model: set parameters, buffers and other modules as attributes, and write `forward`.

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden = nn.Linear(64, 32)
                self.out = nn.Linear(32, 10)

            def forward(self, x):
                return self.out(F.relu(self.hidden(x)))

    Attributes:
        training: whether layers behave as in training (Dropout, BatchNorm); set by `train()` and `eval()`.
    """

    training: bool
    _hooks: ModuleHooks | None = None

    def __init__(self) -> None:
        super().__init__()
        vars(self)["training"] = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` between the hooks. An error from inside says which submodule raised it."""
        try:
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return self._hooks.call(self, args, kwargs)
        except Exception as error:
            locate(error, self)
            raise

    def _forward_unimplemented(self, *args: Any) -> Any:
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    forward: Callable[..., Any] = _forward_unimplemented

    # -- mode ------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Put this module and all below it into training mode, or out of it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Leave training mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say for all parameters whether gradients are wanted."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or (`set_to_none=False`) overwrite them with zeros."""
        forget_gradients(self.parameters(), set_to_none)

    # -- type and place --------------------------------------------------------------------------------------

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace the values of all parameters and their gradients, and all buffers, by `fn(tensor)`."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self.parameters(recurse=False):
            parameter.data = fn(parameter.data)
            if parameter.grad is not None:
                parameter.grad.data = fn(parameter.grad.data)
        for name, buffer in self._of_kind(*BUFFERS).items():
            if buffer is not None:
                vars(self)[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating-point parameters and buffers: `to(dtype)`, `to(device, dtype)` or `to(tensor)`."""
        dtype = _parse_to(*args, **kwargs)
        if dtype is None:
            return self
        if not dtype.is_floating_point:
            raise TypeError(f"nn.Module.to only accepts floating point dtypes, but got desired dtype={dtype}")
        return self._to_float(dtype)

    def _to_float(self, dtype: dtypes.dtype) -> Self:
        return self._apply(lambda x: x.to(dtype) if x.is_floating_point() else x)

    def float(self) -> Self:
        """Convert floating-point parameters and buffers to float32."""
        return self._to_float(dtypes.float32)

    def double(self) -> Self:
        """Convert floating-point parameters and buffers to float64."""
        return self._to_float(dtypes.float64)

    def half(self) -> Self:
        """Convert floating-point parameters and buffers to float16."""
        return self._to_float(dtypes.float16)

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers, integers too."""
        dtype = dtypes.FROM_NUMPY[dtypes.as_numpy(dst_type)]
        if not dtype.is_floating_point and any(p.requires_grad for p in self.parameters()):
            raise RuntimeError(f"type: parameters that require gradients are of floating-point types, got {dtype}")
        return self._apply(lambda x: x.to(dtype))

    def cpu(self) -> Self:
        """Return the module: it is on the CPU already."""
        return self

    # -- hooks -----------------------------------------------------------------------------------------------

    def _ensure_hooks(self) -> ModuleHooks:
        if self._hooks is None:
            self._hooks = ModuleHooks()
        return self._hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; what it returns, unless None, replaces the arguments.

        `with_kwargs`: call `hook(module, args, kwargs)`, which may return (args, kwargs).
        """
        return add(self._ensure_hooks().forward_pre, Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; what it returns, unless None, replaces the output.

        `with_kwargs`: call `hook(module, args, kwargs, output)`.
        `always_call`: call it also if forward raised, with output None.
        """
        return add(self._ensure_hooks().forward, Hook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` when the output's gradients are known; it may return others."""
        return add(self._ensure_hooks().backward_pre, hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the inputs' gradients are known.

        It may return other ones. `grad_input` has an entry for each positional argument: None for one that is
        no tensor, or needs no gradient.
        """
        return add(self._ensure_hooks().backward, hook, prepend)

    # -- representation --------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return self.__class__.__name__

    def extra_repr(self) -> str:
        """Return what `repr` shows of this module itself; layers show their constructor's arguments."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): {indent(repr(module))}" for name, module in self._of_kind(MODULE).items()]
        if not children and "\n" not in extra:
            return f"{self._get_name()}({extra})"
        lines = [*(extra.split("\n") if extra else ()), *children]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


# Traces of the program know a running module by the code that runs it.
modules.call, modules.path = Module.__call__.__code__, path_of


def indent(text: str) -> str:
    """Indent all lines but the first by two spaces."""
    return text.replace("\n", "\n  ")


def _parse_to(*args: Any, **named: Any) -> dtypes.dtype | None:
    """Return the type the arguments of `Module.to` ask for; any device but the CPU raises."""
    named.pop("non_blocking", None)  # how to copy between devices
    given: dict[str, Any] = {}
    order = ["device", "dtype"]
    for arg in args:
        if isinstance(arg, Tensor):
            return arg.dtype
        if isinstance(arg, bool):  # non_blocking
            continue
        name = "device" if arg is None or isinstance(arg, (str, device)) else "dtype"
        if name not in order:
            raise TypeError(f"to: unexpected argument {arg!r}")
        order = order[order.index(name) + 1 :]
        given[name] = arg
    for name, arg in named.items():
        if name not in ("device", "dtype", "tensor") or name in given:
            raise TypeError(f"to: unexpected keyword argument {name!r}")
        given[name] = arg
    if "tensor" in given:
        return given["tensor"].dtype
    check_device(given.get("device"))
    wanted = given.get("dtype")
    return None if wanted is None else dtypes.FROM_NUMPY[dtypes.as_numpy(wanted)]
