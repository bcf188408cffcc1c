"""All parameters as one vector, and back."""

from collections.abc import Iterable

from autograd import cat
from autograd.tensor import Tensor
from autograd.views import write
from nn.parameter import typename


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return the elements of all parameters in one vector; gradients flow through it."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the elements of a vector, in order, into the parameters."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected a Tensor, but got: {typename(vec)}")
    parameters = list(parameters)
    count = sum(p.numel() for p in parameters)
    if vec.shape != (count,):
        raise RuntimeError(
            f"vector_to_parameters: the parameters have {count} elements, but the vector has shape {tuple(vec.shape)}"
        )
    start = 0
    for p in parameters:
        write(p, vec.array[start : start + p.numel()].reshape(p.shape), "vector_to_parameters")
        start += p.numel()
