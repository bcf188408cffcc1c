"""Steps along the gradient or its sign: SGD, its average, and Rprop. Formulas and names are those of `torch.optim`."""

import functools

from ops.kernels.jit import kernel, split
from ops.kernels.parameters import GRAD, PARAM, STATE, Parameters, block_of, count_steps, decayed, sign_of
from ops.kernels.scalar import Function


@kernel
def sgd_rates(grads, scalars, rates, mu, damping):
    """Count the update; rates: what momentum keeps of the buffer and gains of the gradient, 0 and 1 at first."""
    for i in range(grads.size):
        if grads[i] != 0:
            scalars[0, i] += 1
            first = scalars[0, i] == 1
            rates[i, 0] = 0.0 if first else mu
            rates[i, 1] = 1.0 if first else 1 - damping


@functools.cache
def sgd_loop(real: type, momentum: bool, nesterov: bool) -> Function:
    """Compile the update of `sgd`."""

    @kernel
    def part(start, stop, blocks, table, sizes, rates, like, sign, lr, mu, weight_decay):
        sign, lr, mu, weight_decay = real(sign), real(lr), real(mu), real(weight_decay)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            if not momentum:
                for j in range(p.size):
                    p[j] -= lr * decayed(sign * g[j], weight_decay, p[j])
                continue
            buf = block_of(table, sizes, STATE, i, a, like)
            keep, gain = real(rates[i, 0]), real(rates[i, 1])
            for j in range(p.size):
                d = decayed(sign * g[j], weight_decay, p[j])
                b = keep * buf[j] + gain * d
                buf[j] = b
                p[j] -= lr * ((d + mu * b) if nesterov else b)

    return split(part)


def sgd(
    parameters: Parameters,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> None:
    """Step along the gradient d = g + weight_decay p; states: momentum_buffer, if momentum is not 0.

    b = momentum b + (1 - dampening) d (b = d at first), p -= lr b, or p -= lr (d + momentum b) with nesterov.
    """
    loop = sgd_loop(parameters.real, momentum != 0, nesterov)
    parameters.update(sgd_rates, (momentum, dampening), loop, (sign_of(maximize), lr, momentum, weight_decay))


@kernel
def asgd_rates(grads, scalars, rates, lr, lambd, alpha, t0):
    """Count the update; rates: eta, what decay leaves of p, and mu; scalars: the count, and the next eta and mu."""
    for i in range(grads.size):
        if grads[i] != 0:
            rates[i, 0] = scalars[1, i]
            rates[i, 1] = 1 - lambd * scalars[1, i]
            rates[i, 2] = scalars[2, i]
            scalars[0, i] += 1
            scalars[1, i] = lr / (1 + lambd * lr * scalars[0, i]) ** alpha
            scalars[2, i] = 1 / max(1.0, scalars[0, i] - t0)


@functools.cache
def asgd_loop(real: type) -> Function:
    """Compile the update of `asgd`."""

    @kernel
    def part(start, stop, blocks, table, sizes, rates, like, sign, weight_decay):
        sign, weight_decay = real(sign), real(weight_decay)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            eta, shrink, mu, keep = real(rates[i, 0]), real(rates[i, 1]), real(rates[i, 2]), real(1 - rates[i, 2])
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            average = block_of(table, sizes, STATE, i, a, like)
            for j in range(p.size):
                x = p[j] * shrink - eta * decayed(sign * g[j], weight_decay, p[j])
                p[j] = x
                average[j] = keep * average[j] + mu * x

    return split(part)


def asgd(
    parameters: Parameters,
    *,
    lr: float,
    lambd: float = 1e-4,
    alpha: float = 0.75,
    t0: float = 1e6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> None:
    """Step by averaged SGD (Polyak and Juditsky 1992); state: ax; scalars: eta (lr at first) and mu (1 at first).

    p = (1 - lambd eta) p - eta d with d = g + weight_decay p, ax += mu (p - ax); then
    eta = lr / (1 + lambd lr t)^alpha, mu = 1 / max(1, t - t0).
    """
    loop = asgd_loop(parameters.real)
    parameters.update(asgd_rates, (lr, lambd, alpha, t0), loop, (sign_of(maximize), weight_decay))


@functools.cache
def rprop_loop(real: type) -> Function:
    """Compile the update of `rprop`."""

    @kernel
    def part(start, stop, blocks, table, sizes, _rates, like, sign, shrink, grow, low, high):
        sign, shrink, grow, low, high = real(sign), real(shrink), real(grow), real(low), real(high)
        zero, one = real(0), real(1)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            before = block_of(table, sizes, STATE, i, a, like)
            step = block_of(table, sizes, STATE + 1, i, a, like)
            for j in range(p.size):
                d = sign * g[j]
                agreement = d * before[j]
                s = step[j] * (grow if agreement > zero else shrink if agreement < zero else one)
                s = low if s < low else s
                s = high if s > high else s
                step[j] = s
                d = zero if agreement < zero else d
                before[j] = d
                p[j] -= s if d > zero else -s if d < zero else zero

    return split(part)


def rprop(
    parameters: Parameters,
    *,
    etas: tuple[float, float] = (0.5, 1.2),
    step_sizes: tuple[float, float] = (1e-6, 50.0),
    maximize: bool = False,
) -> None:
    """Step by Rprop (Riedmiller and Braun 1993); states: prev, and step_size s (lr at first).

    s = s etas[1] where g and the one before agree in sign, s etas[0] where they differ, within step_sizes;
    p -= s sign(g), g = 0 where they differ.
    """
    parameters.update(count_steps, (), rprop_loop(parameters.real), (sign_of(maximize), *etas, *step_sizes))
