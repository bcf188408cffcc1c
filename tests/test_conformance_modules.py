"""Modules of level 1 beside PyTorch's: state, outputs, gradients and buffers, at drawn constructor arguments.

`CONFORMANCE_SAMPLES` says how many of each, as in `test_conformance.py`.
"""

import inspect
import os
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from tests.conformance.call import Arr, mapped
from tests.conformance.draw import Draw
from tests.conformance.modules import MADE, state_like
from tests.conformance.runner import OURS, Library, tensors, theirs

NOT_DRAWN = {
    *("device", "dtype", "args", "kwargs", "min_value", "max_value", "_weight", "_freeze"),  # no option of the layer's
    *("max_norm", "norm_type"),  # changes the weight itself: rows of F.embedding
    "sparse",  # there are no sparse tensors
}

SAMPLES = int(os.environ.get("CONFORMANCE_SAMPLES", "30"))


def ran(library: Library, layers: Any, name: str, call: tuple[list[Any], dict[str, Any]], inputs: list[Arr]) -> Any:
    """Return the type of error, or the state's shapes, what comes out, the gradients and the state afterwards."""
    args, kwargs = mapped(library.make, call)
    try:
        module = getattr(layers, name)(*args, **kwargs).double()
    except Exception as error:  # whatever it is, it is compared
        return type(error)
    shapes = {key: tuple(x.shape) for key, x in module.state_dict().items()}
    state = state_like(shapes, np.random.default_rng(0))
    module.load_state_dict({key: library.root.from_numpy(np.array(x)) for key, x in state.items()})
    given = [library.make(x) for x in inputs]
    try:
        outputs = list(tensors(module(*given), library.tensor))
    except Exception as error:
        return type(error)
    floating = [y for y in outputs if y.requires_grad]
    wanted = [x for x in [*given, *module.parameters()] if x.requires_grad]
    seeds = [
        library.root.from_numpy(np.cos(np.arange(y.numel(), dtype=float)).reshape(tuple(y.shape))) for y in floating
    ]
    grads = library.root.autograd.grad(floating, wanted, seeds, allow_unused=True) if floating and wanted else []
    found = [np.zeros(()) if x is None else library.array(x) for x in [*outputs, *grads]]
    return shapes, found, {key: library.array(x) for key, x in module.state_dict().items()}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MADE)
def test_modules_as_in_pytorch(name: str, torch: Any, record_property: Callable[[str, object], None]) -> None:
    other = theirs(torch)
    tolerance = 1e-7 if name == "Hardsigmoid" else 1e-10  # PyTorch's gradient has a factor 1/6 of float32
    order = list(inspect.signature(getattr(torch.nn, name).__init__).parameters)[1:]
    for i in range(SAMPLES):
        d = Draw(zlib.crc32(name.encode()), i)
        arguments, inputs = MADE[name](d)
        in_order = [k for k, expected in zip(sorted(arguments, key=order.index), order, strict=False) if k == expected]
        positional = in_order[: d.integer(0, len(in_order))]
        call = [arguments[k] for k in positional], {k: v for k, v in arguments.items() if k not in positional}
        a, b = ran(OURS, nn, name, call, inputs), ran(other, torch.nn, name, call, inputs)
        if isinstance(a, type) or isinstance(b, type):
            assert a == b, f"{name}({call}) of {inputs}"
            continue
        assert a[0] == b[0], f"{name}({call}): state"
        for x, y in zip([*a[1], *a[2].values()], [*b[1], *b[2].values()], strict=True):
            assert (x.dtype, x.shape) == (y.dtype, y.shape), f"{name}({call}) of {inputs}"
            np.testing.assert_allclose(x, y, tolerance, tolerance, err_msg=f"{name}({call}) of {inputs}")
    record_property("conformance", SAMPLES)


@pytest.mark.parametrize("name", MADE)
def test_every_option_is_drawn(name: str, torch: Any) -> None:
    options = {*inspect.signature(getattr(torch.nn, name).__init__).parameters} - {"self"}
    missing = options - {key for i in range(100) for key in MADE[name](Draw(i))[0]} - NOT_DRAWN
    assert not missing, f"never drawn: {missing}"
