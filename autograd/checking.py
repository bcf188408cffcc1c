"""Gradients against finite differences: `gradcheck` and `gradgradcheck`.

The analytical Jacobian Jᵢⱼ = ∂yᵢ/∂xⱼ has one row per backward pass, eᵢᵀ·J. The numerical one has one column
per central difference, (f(x + ε eⱼ) - f(x - ε eⱼ)) / 2ε, off by O(ε²) + O(rounding / ε); where f is linear or
bilinear the first term is zero and ε may be 1. `fast_mode` compares a random vᵀ·J·u alone.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from autograd.grad_mode import enable_grad
from autograd.tape import as_tuple, grad
from autograd.tensor import Tensor

_PRINTED = 64  # Jacobians of at most this many entries are shown whole
_ROUNDING = 8 * 2.0**-52  # how far off y may be, relative to itself: a difference of two is divided by 2ε


class GradcheckError(RuntimeError):
    """A gradient is wrong; the message says which entry, and by how much."""


class Options(NamedTuple):
    """The arguments `gradcheck` and `gradgradcheck` share, with their meaning there."""

    eps: float = 1e-6
    atol: float = 1e-5
    rtol: float = 1e-3
    nondet_tol: float = 0.0
    check_undefined_grad: bool = True
    fast_mode: bool = False


class _Names(NamedTuple):
    """What inputs and outputs are called in messages, beside their positions."""

    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()

    def of_input(self, index: int) -> str:
        return f"input {index}" + (f" ({self.inputs[index]})" if index < len(self.inputs) else "")

    def of_output(self, index: int) -> str:
        return f"output {index}" + (f" ({self.outputs[index]})" if index < len(self.outputs) else "")


def _differs(analytical: Any, numerical: Any, atol: Any, rtol: float) -> Any:
    """Say where |a - n| <= atol + rtol·|n| does not hold; it holds for no NaN."""
    with np.errstate(invalid="ignore"):
        return ~(np.abs(analytical - numerical) <= atol + rtol * np.abs(numerical))


def _weights(shape: Sequence[int], dtype: Any, generator: np.random.Generator) -> np.ndarray:
    """Return random weights, 1/2 <= |w| < 1, so that no entry is left out by chance."""
    weights = generator.uniform(0.5, 1.0, shape) * generator.choice([-1.0, 1.0], shape)
    return np.asarray(weights, dtype)


@contextmanager
def _holding(tensor: Tensor, array: np.ndarray) -> Iterator[None]:
    """Let `tensor` hold `array` for a while; its own memory, and what shares it, are not written to."""
    original = tensor.array
    tensor.array = array
    try:
        yield
    finally:
        tensor.array = original


@dataclass
class _Check:
    """One function at one point: which inputs are checked, and for which outputs."""

    func: Callable[..., Any]
    inputs: tuple[Any, ...]
    names: _Names
    options: Options

    def __post_init__(self) -> None:
        self.indices = [i for i, x in enumerate(self.inputs) if isinstance(x, Tensor) and x.requires_grad]
        self.points: list[Tensor] = [self.inputs[i] for i in self.indices]
        self.outputs = self.evaluate()
        self.positions = _differentiable(self.outputs)

    def evaluate(self) -> tuple[Any, ...]:
        """Return all outputs at the point the inputs are at."""
        return as_tuple(self.func(*self.inputs))

    def run(self) -> None:
        """Raise GradcheckError unless all is well."""
        if not self.positions:
            self.check_constant()
            return
        if self.options.fast_mode:
            self.check_projections()
        else:
            self.check_jacobians()
        self.check_repeatable()
        self.check_zero()
        if self.options.check_undefined_grad and len(self.positions) > 1:
            self.check_undefined()

    # -- numerical and analytical derivatives -----------------------------------------------------------

    def slopes(self, x: Tensor, direction: np.ndarray, positions: Sequence[int]) -> list[np.ndarray]:
        """Return (f(x + ε u) - f(x - ε u)) / 2ε, u = `direction`, for the outputs at `positions`."""
        start, values = x.array, []
        for step in (self.options.eps, -self.options.eps):
            with _holding(x, np.asarray(start + step * direction, start.dtype)):
                outputs = self.evaluate()
                values.append([np.array(outputs[position].array, np.float64) for position in positions])
        return [(above - below) / (2 * self.options.eps) for above, below in zip(*values, strict=True)]

    def rounding(self, position: int) -> np.ndarray:
        """Return how far off a slope of each element of an output may be by rounding alone."""
        return _ROUNDING * np.abs(self.outputs[position].array.astype(np.float64)) / self.options.eps

    def numerical(self, x: Tensor, positions: Sequence[int]) -> list[np.ndarray]:
        """Return the Jacobian of each output at `positions`, one column per element of x."""
        columns: list[list[np.ndarray]] = [[] for _ in positions]
        for element in np.ndindex(*x.shape):
            direction = np.zeros(x.shape)
            direction[element] = 1.0
            for column, slope in zip(columns, self.slopes(x, direction, positions), strict=True):
                column.append(slope.ravel())
        return [np.stack(column, axis=1) for column in columns]

    def pull(self, outputs: Any, seeds: Any) -> list[np.ndarray]:
        """Return vᵀ·J for each checked input, zeros for those the outputs do not depend on."""
        grads = grad(outputs, self.points, seeds, retain_graph=True, allow_unused=True)
        return [np.zeros(x.shape) if g is None else g.array for x, g in zip(self.points, grads, strict=True)]

    def analytical(self, output: Tensor) -> list[np.ndarray]:
        """Return the Jacobian of one output for each checked input, one row per element of the output."""
        jacobians = [np.zeros((output.numel(), x.numel())) for x in self.points]
        for row, element in enumerate(np.ndindex(*output.shape)):
            seed = np.zeros(output.shape, output.array.dtype)
            seed[element] = 1.0
            for jacobian, each in zip(jacobians, self.pull(output, Tensor(seed)), strict=True):
                jacobian[row] = each.ravel()
        return jacobians

    # -- their comparison -------------------------------------------------------------------------------

    def check_jacobians(self) -> None:
        """Compare the Jacobians of all outputs for all inputs, entry by entry."""
        analytical = [self.analytical(self.outputs[position]) for position in self.positions]
        for number, (index, x) in enumerate(zip(self.indices, self.points, strict=True)):
            if not x.numel():
                continue
            numerical = self.numerical(x, self.positions)
            for position, jacobians, n in zip(self.positions, analytical, numerical, strict=True):
                a = jacobians[number]
                atol = self.options.atol + self.rounding(position).reshape(-1, 1)
                where = _differs(a, n, atol, self.options.rtol)
                if where.any():
                    raise GradcheckError(self.mismatch(position, index, a, n, where))

    def mismatch(self, position: int, index: int, a: np.ndarray, n: np.ndarray, where: np.ndarray) -> str:
        """Describe an analytical and a numerical Jacobian that differ `where` this is true."""
        error = np.where(where, np.nan_to_num(np.abs(a - n), nan=np.inf), -1.0)
        row, column = np.unravel_index(np.argmax(error), error.shape)
        of_output = [int(i) for i in np.unravel_index(row, tuple(self.outputs[position].shape))]
        of_input = [int(i) for i in np.unravel_index(column, tuple(self.inputs[index].shape))]
        off = abs(a[row, column] - n[row, column])
        relative = f" ({off / abs(n[row, column]):.3g} of it)" if n[row, column] else ""
        text = (
            f"{self.jacobian_of(position, index)}: {np.count_nonzero(where)} of {where.size} entries differ. "
            f"The largest error is at d output{of_output} / d input{of_input}: analytical "
            f"{a[row, column]:.10g}, numerical {n[row, column]:.10g}, difference {off:.3g}{relative}"
        )
        if where.size <= _PRINTED:
            text += f"\nnumerical:\n{n}\nanalytical:\n{a}"
        return text

    def jacobian_of(self, position: int, index: int) -> str:
        """Return how a message on one output and one input begins."""
        output, x = self.names.of_output(position), self.names.of_input(index)
        return f"Jacobian mismatch for {output} with respect to {x}"

    def check_projections(self) -> None:
        """Compare vᵀ·J·u for random u and v, for each output and input."""
        generator = np.random.default_rng(0)
        outputs = [self.outputs[position] for position in self.positions]
        vs = [_weights(y.shape, y.array.dtype, generator) for y in outputs]
        rows = [self.pull(y, Tensor(v)) for y, v in zip(outputs, vs, strict=True)]
        for number, (index, x) in enumerate(zip(self.indices, self.points, strict=True)):
            u = _weights(x.shape, np.float64, generator)
            slopes = self.slopes(x, u, self.positions)
            for position, v, row, slope in zip(self.positions, vs, rows, slopes, strict=True):
                a, n = (row[number] * u).sum(), (v * slope).sum()
                atol = self.options.atol * np.linalg.norm(u) * np.linalg.norm(v)
                atol += np.linalg.norm(v * self.rounding(position))
                if _differs(a, n, atol, self.options.rtol):
                    self.check_jacobians()  # says where
                    raise GradcheckError(
                        f"{self.jacobian_of(position, index)} in fast_mode: along a random direction "
                        f"analytical {a:.10g}, numerical {n:.10g}; no single entry is off by too much"
                    )

    def check_constant(self) -> None:
        """Check that outputs of which none requires grad do not depend on the inputs."""
        floating = [isinstance(y, Tensor) and y.is_floating_point() and y.numel() > 0 for y in self.outputs]
        positions = [position for position, is_floating in enumerate(floating) if is_floating]
        for index, x in zip(self.indices, self.points, strict=True):
            if not positions or not x.numel():
                continue
            for position, jacobian in zip(positions, self.numerical(x, positions), strict=True):
                if _differs(0.0, jacobian, self.options.atol, 0.0).any():
                    raise GradcheckError(
                        "Numerical gradient for function expected to be zero: "
                        f"{self.names.of_output(position)} does not require grad, but depends on "
                        f"{self.names.of_input(index)}"
                    )

    # -- properties of backward -------------------------------------------------------------------------

    def seeds(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return the outputs that require grad, and a random gradient for each."""
        generator = np.random.default_rng(1)
        outputs = [self.outputs[position] for position in self.positions]
        return outputs, [Tensor(_weights(y.shape, y.array.dtype, generator)) for y in outputs]

    def check_repeatable(self) -> None:
        """Check that backward gives the same twice."""
        outputs, seeds = self.seeds()
        runs = self.pull(outputs, seeds), self.pull(outputs, seeds)
        for index, first, second in zip(self.indices, *runs, strict=True):
            if _differs(first, second, self.options.nondet_tol, 0.0).any():
                raise GradcheckError(
                    "Backward is not reentrant: with the same input and grad_output it gave gradients of "
                    f"{self.names.of_input(index)} further apart than nondet_tol={self.options.nondet_tol}"
                )

    def check_zero(self) -> None:
        """Check that a zero gradient gives exactly zero."""
        outputs, seeds = self.seeds()
        zeros = [Tensor(np.zeros_like(seed.array)) for seed in seeds]
        for index, each in zip(self.indices, self.pull(outputs, zeros), strict=True):
            if np.any(each != 0.0):
                raise GradcheckError(
                    "backward not multiplied by grad_output: of a zero gradient it made one for "
                    f"{self.names.of_input(index)} that is not zero"
                )

    def check_undefined(self) -> None:
        """Check that, of several outputs, one given no gradient counts as one given zeros."""
        outputs, seeds = self.seeds()
        for number, position in enumerate(self.positions):
            among_zeros = [Tensor(np.zeros_like(seed.array)) for seed in seeds]
            among_zeros[number] = seeds[number]
            grads = self.pull(outputs[number], seeds[number]), self.pull(outputs, among_zeros)
            for index, alone, together in zip(self.indices, *grads, strict=True):
                if _differs(alone, together, self.options.atol, self.options.rtol).any():
                    raise GradcheckError(
                        "undefined output gradients are not treated as zeros: the gradient of "
                        f"{self.names.of_input(index)} for {self.names.of_output(position)} changes when the "
                        "other outputs are given zeros instead of nothing"
                    )


def _differentiable(outputs: Sequence[Any]) -> list[int]:
    return [i for i, y in enumerate(outputs) if isinstance(y, Tensor) and y.requires_grad]


def parameter_names(func: Callable[..., Any], count: int) -> list[str]:
    """Return a name for each of `count` arguments: as `func` declares it, else `inputs[i]`."""
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [names[i] if i < len(names) else f"inputs[{i}]" for i in range(count)]


def validate(inputs: Sequence[Any]) -> None:
    """Raise if nothing is to be checked; warn of inputs of too little precision."""
    checked = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for index in checked:
        if inputs[index].array.dtype != np.float64:
            warnings.warn(
                f"Input #{index} requires gradient and is not a double precision floating point. This check "
                "will likely fail if all the inputs are not of double precision floating point.",
                stacklevel=3,
            )


def check_first(func: Callable[..., Any], inputs: tuple[Any, ...], names: list[str], options: Options) -> None:
    """Raise GradcheckError unless the first derivatives are right."""
    with enable_grad():
        _Check(func, inputs, _Names(names), options).run()


def check_second(
    func: Callable[..., Any],
    inputs: tuple[Any, ...],
    seeds: tuple[Any, ...],
    names: list[str],
    options: Options,
) -> None:
    """Raise GradcheckError unless the derivatives of Σᵢ seedsᵢ · ∂funcᵢ/∂inputs are right."""
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    known = _Names(
        names + [f"grad_outputs[{i}]" for i in range(len(seeds))],
        [f"the gradient of {names[i]}" for i in wanted],
    )
    with enable_grad():
        _Check(_gradient_function(func, wanted, len(inputs)), inputs + seeds, known, options).run()


def random_seeds(func: Callable[..., Any], inputs: Sequence[Any], non_contiguous: bool = False) -> tuple[Tensor, ...]:
    """Return a random gradient, the same every time, for each output that requires grad."""
    with enable_grad():
        outputs = as_tuple(func(*inputs))
    generator = np.random.default_rng(2)
    seeds = []
    for position in _differentiable(outputs):
        y = outputs[position]
        values = _weights((*y.shape, 2 if non_contiguous else 1), y.array.dtype, generator)
        seeds.append(Tensor(values[..., 0], requires_grad=True))
    return tuple(seeds)


def _gradient_function(func: Callable[..., Any], wanted: Sequence[int], count: int) -> Callable[..., Any]:
    """Return (inputs, seeds) ↦ the gradients of the `wanted` of `count` inputs, recorded."""

    def gradients(*arguments: Any) -> tuple[Any, ...]:
        inputs, seeds = arguments[:count], arguments[count:]
        outputs = as_tuple(func(*inputs))
        differentiable = [outputs[position] for position in _differentiable(outputs)]
        return grad(differentiable, [inputs[i] for i in wanted], seeds, create_graph=True, materialize_grads=True)

    return gradients


def _passes(raise_exception: bool, check: Callable[..., None], *arguments: Any) -> bool:
    try:
        check(*arguments)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Check ∂func(inputs)/∂input, for each input that requires grad, against central differences.

    Entries agree when |analytical - numerical| <= atol + rtol·|numerical|, with 2⁻⁴⁹·|y| / eps more for the rounding
    of y, which counts where |y| is large. Use float64, and stay more than `eps` away from kinks and ties. Backward
    must also give the same twice, and zero for a zero gradient.

    Args:
        func: takes `inputs`, returns a Tensor or a sequence of them. Outputs that do not require grad are
            left out; when none does, `func` must be constant.
        raise_exception: raise GradcheckError where a check fails; otherwise return False.
        nondet_tol: how far apart two backward passes over one graph may be.
        check_undefined_grad: check that, of several outputs, those given no gradient count as given zeros.
        fast_mode: compare one random projection vᵀ·J·u per input and output, not all of J: two evaluations
            per input instead of two per element, but an error in one entry of very many may go unseen.

    >>> import autograd
    >>> x = autograd.tensor([0.5, 2.0], dtype=autograd.float64, requires_grad=True)
    >>> gradcheck(lambda x: x.exp() * x, x)
    True
    """
    points = as_tuple(inputs)
    validate(points)
    options = Options(eps, atol, rtol, nondet_tol, check_undefined_grad, fast_mode)
    return _passes(raise_exception, check_first, func, points, parameter_names(func, len(points)), options)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Check second derivatives: `gradcheck` of (inputs, grad_outputs) ↦ Σᵢ grad_outputsᵢ · ∂funcᵢ/∂inputs.

    Args:
        grad_outputs: a gradient per output that requires grad; by default random, the same every time.
        gen_non_contig_grad_outputs: make the random ones non-contiguous.

    The other arguments are those of `gradcheck`.

    >>> import autograd
    >>> x = autograd.tensor([0.5, 2.0], dtype=autograd.float64, requires_grad=True)
    >>> gradgradcheck(lambda x: x.exp() * x, x)
    True
    """
    points = as_tuple(inputs)
    validate(points)
    if grad_outputs is None:
        grad_outputs = random_seeds(func, points, gen_non_contig_grad_outputs)
    options = Options(eps, atol, rtol, nondet_tol, check_undefined_grad, fast_mode)
    names = parameter_names(func, len(points))
    return _passes(raise_exception, check_second, func, points, as_tuple(grad_outputs), names, options)
