"""Whether ops are recorded: one flag per thread (and per asyncio task), restored on exceptions."""

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Self

recording: ContextVar[bool] = ContextVar("recording", default=True)
is_recording = recording.get


def is_grad_enabled() -> bool:
    """Return whether ops on tensors that require gradients are recorded in this thread."""
    return is_recording()


class _GradMode:
    """Context manager and decorator that sets the flag and puts the old value back."""

    def __init__(self, flag: bool) -> None:
        self.flag = flag
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> Self:
        self._tokens.append(recording.set(self.flag))
        return self

    def __exit__(self, *error: object) -> None:
        recording.reset(self._tokens.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        flag = self.flag
        if inspect.isgeneratorfunction(function):
            return _wrap_generator(function, flag)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with _GradMode(flag):
                return function(*args, **kwargs)

        return wrapper


def _wrap_generator(function: Callable[..., Any], flag: bool) -> Callable[..., Any]:
    """Hold the flag while the body runs and put it back at each yield, so that a paused generator leaks nothing."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        resume, value = generator.send, None
        try:
            while True:
                with _GradMode(flag):
                    item = resume(value)
                try:
                    value, resume = (yield item), generator.send
                except GeneratorExit:
                    raise
                except BaseException as error:
                    value, resume = error, generator.throw
        except StopIteration as stop:
            return stop.value
        finally:
            with _GradMode(flag):
                generator.close()

    return wrapper


class _Bare(_GradMode):
    """A mode that decorates with or without parentheses: `@no_grad()` or `@no_grad`."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)


class no_grad(_Bare):
    """Record nothing inside: `with no_grad(): ...`."""

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_Bare):
    """Record again, also inside `no_grad`."""

    def __init__(self) -> None:
        super().__init__(True)


class inference_mode(_GradMode):
    """Record nothing inside when `mode` is true, as `no_grad`; results may be used in recorded ops later."""

    def __new__(cls, mode: Any = True) -> Any:
        return super().__new__(cls) if isinstance(mode, bool) else cls()(mode)  # @inference_mode without parentheses

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode)


class set_grad_enabled(_GradMode):
    """Set the flag at once; as a context manager, put the old value back at the end."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._before = is_recording()
        recording.set(self.flag)

    def __enter__(self) -> Self:
        recording.set(self.flag)
        return self

    def __exit__(self, *error: object) -> None:
        recording.set(self._before)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.__exit__()  # as a decorator it leaves the caller's flag alone
        return super().__call__(function)
