"""`check_gradients`: a function, Module or custom Function against finite differences."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from autograd.checking import (
    GradcheckError,
    Options,
    check_first,
    check_second,
    parameter_names,
    random_seeds,
    validate,
)
from autograd.tensor import Tensor
from autograd.testing.counterexample import source


def check_gradients(
    function: Callable[..., Any],
    *arguments: Any,
    order: int = 2,
    parameters: Iterable[Tensor] | None = None,
    eps: float = 1e-6,
    atol: float = 1e-6,
    rtol: float = 1e-5,
    fast_mode: bool = False,
    max_examples: int | None = None,
) -> None:
    """Check the derivatives of function(*arguments) as `gradcheck` does, at points drawn by Hypothesis.

    For y = f(x) and every tensor x that requires grad, ∂yᵢ/∂xⱼ is compared with
    (f(x + ε eⱼ) - f(x - ε eⱼ))ᵢ / 2ε, and, for order 2, the same is done with g(x, v) = Σᵢ vᵢ ∂yᵢ/∂x.
    A failure raises GradcheckError with a simplest counterexample, written as Python that repeats it.

    Args:
        function: a function, a custom Function's `apply`, or an nn.Module: of that a float64 copy is checked,
            for its parameters too. It must give the same for the same arguments: no dropout while training.
        arguments: strategies such as `tensors(...)`, or values; values alone are checked as they are.
        order: 1 for first derivatives, 2 for second ones also.
        parameters: further tensors the function reads, to be checked as well; a Module's are all its own.
        eps, atol, rtol: as in `gradcheck`, but tighter: a derivative wrong by 0.1 % fails.
        fast_mode: compare random projections, not whole Jacobians.
        max_examples: how many points are drawn; by default, as the Hypothesis profile says.

    >>> from autograd.testing import tensors
    >>> check_gradients(lambda x, y: x * y.exp(), tensors((2, 1)), tensors((3,)), max_examples=5)
    """
    if order not in (1, 2):
        raise ValueError(f"check_gradients: order must be 1 or 2, got {order}")
    named = {f"parameters[{i}]": p for i, p in enumerate(parameters or ())}
    shown: dict[str, Any] = {"parameters": None} if named else {}
    shown |= {"order": order, "eps": eps, "atol": atol, "rtol": rtol, "fast_mode": fast_mode}
    if callable(getattr(function, "named_parameters", None)):
        module: Any = copy.deepcopy(function)
        function = module.double()
        named |= {name: p for name, p in module.named_parameters() if p.requires_grad}
    subject = _Subject(function, named, order, Options(eps, atol, rtol, fast_mode=fast_mode), shown)
    if not any(isinstance(argument, SearchStrategy) for argument in arguments):
        subject.check(arguments)
        return

    if max_examples is None:
        max_examples = settings().max_examples

    # No database: Hypothesis would keep the examples of all functions under one name, this test's.
    @settings(max_examples=max_examples, deadline=None, database=None, report_multiple_bugs=False, print_blob=False)
    @given(st.tuples(*(a if isinstance(a, SearchStrategy) else st.just(a) for a in arguments)))
    def at_every_point(point: tuple[Any, ...]) -> None:
        subject.check(point)

    at_every_point()


class _Subject:
    """A function, the further tensors it reads, and how it is checked."""

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: dict[str, Tensor],
        order: int,
        options: Options,
        shown: dict[str, Any],
    ) -> None:
        self.function = function
        self.parameters = parameters
        self.order = order
        self.options = options
        self.shown = shown

    def check(self, arguments: Sequence[Any]) -> None:
        """Check one point; say how to come back to it where that fails."""
        inputs = (*arguments, *self.parameters.values())
        names = parameter_names(self.function, len(arguments)) + list(self.parameters)

        def call(*values: Any) -> Any:
            return self.function(*values[: len(arguments)])

        try:
            validate(inputs)
            check_first(call, inputs, names, self.options)
            if self.order == 2:
                check_second(call, inputs, random_seeds(call, inputs), names, self.options)
        except GradcheckError as error:
            text = f"{error}\n\nTo repeat it:\n\n{source(self.function, arguments, self.shown)}\n"
            raise GradcheckError(text) from None
        except Exception as error:
            error.add_note(f"To repeat it:\n\n{source(self.function, arguments, self.shown)}\n")
            raise
