"""Steps divided by the size of past gradients: Adagrad, RMSprop, Adadelta. Formulas and names are `torch.optim`'s."""

import functools
import math

from ops.kernels.jit import kernel, split
from ops.kernels.parameters import GRAD, PARAM, STATE, Parameters, block_of, count_steps, decayed, sign_of
from ops.kernels.scalar import Function


@functools.cache
def rmsprop_loop(real: type, momentum: bool, centered: bool) -> Function:
    """Compile the update of `rmsprop`."""
    middle = STATE + int(centered)
    last = middle + int(momentum)

    @kernel
    def part(start, stop, blocks, table, sizes, _rates, like, sign, lr, alpha, eps, weight_decay, mu):
        sign, lr, eps, weight_decay, mu = real(sign), real(lr), real(eps), real(weight_decay), real(mu)
        keep, gain = real(alpha), real(1 - alpha)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            v = block_of(table, sizes, STATE, i, a, like)
            mean = block_of(table, sizes, middle, i, a, like)
            buf = block_of(table, sizes, last, i, a, like)
            for j in range(p.size):
                d = decayed(sign * g[j], weight_decay, p[j])
                square = keep * v[j] + gain * d * d
                v[j] = square
                if centered:
                    average = keep * mean[j] + gain * d
                    mean[j] = average
                    square -= average * average
                d /= math.sqrt(square) + eps
                if momentum:
                    d += mu * buf[j]
                    buf[j] = d
                p[j] -= lr * d

    return split(part)


def rmsprop(
    parameters: Parameters,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    maximize: bool = False,
) -> None:
    """Step by RMSprop; states: square_avg, grad_avg if centered, momentum_buffer if momentum is not 0.

    v = alpha v + (1 - alpha) d^2 with d = g + weight_decay p, u = d / (sqrt(v) + eps), or with centered
    u = d / (sqrt(v - m^2) + eps), m = alpha m + (1 - alpha) d; b = momentum b + u, p -= lr b.
    """
    loop = rmsprop_loop(parameters.real, momentum != 0, centered)
    parameters.update(count_steps, (), loop, (sign_of(maximize), lr, alpha, eps, weight_decay, momentum))


@kernel
def adagrad_rates(grads, scalars, rates, lr, lr_decay):
    """Count the update; rate: lr / (1 + (t - 1) lr_decay)."""
    for i in range(grads.size):
        if grads[i] != 0:
            rates[i, 0] = lr / (1 + scalars[0, i] * lr_decay)
            scalars[0, i] += 1


@functools.cache
def adagrad_loop(real: type) -> Function:
    """Compile the update of `adagrad`."""

    @kernel
    def part(start, stop, blocks, table, sizes, rates, like, sign, weight_decay, eps):
        sign, weight_decay, eps = real(sign), real(weight_decay), real(eps)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            rate = real(rates[i, 0])
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            total = block_of(table, sizes, STATE, i, a, like)
            for j in range(p.size):
                d = decayed(sign * g[j], weight_decay, p[j])
                s = total[j] + d * d
                total[j] = s
                p[j] -= rate * d / (math.sqrt(s) + eps)

    return split(part)


def adagrad(
    parameters: Parameters,
    *,
    lr: float,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    eps: float = 1e-10,
    maximize: bool = False,
) -> None:
    """Step by Adagrad (Duchi, Hazan and Singer 2011); state: sum.

    s += d^2 with d = g + weight_decay p, p -= lr / (1 + (t - 1) lr_decay) d / (sqrt(s) + eps).
    """
    loop = adagrad_loop(parameters.real)
    parameters.update(adagrad_rates, (lr, lr_decay), loop, (sign_of(maximize), weight_decay, eps))


@functools.cache
def adadelta_loop(real: type) -> Function:
    """Compile the update of `adadelta`."""

    @kernel
    def part(start, stop, blocks, table, sizes, _rates, like, sign, lr, rho, eps, weight_decay):
        sign, lr, eps, weight_decay = real(sign), real(lr), real(eps), real(weight_decay)
        keep, gain = real(rho), real(1 - rho)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            v = block_of(table, sizes, STATE, i, a, like)
            moved = block_of(table, sizes, STATE + 1, i, a, like)
            for j in range(p.size):
                d = decayed(sign * g[j], weight_decay, p[j])
                square = keep * v[j] + gain * d * d
                v[j] = square
                d *= math.sqrt(moved[j] + eps) / math.sqrt(square + eps)
                moved[j] = keep * moved[j] + gain * d * d
                p[j] -= lr * d

    return split(part)


def adadelta(
    parameters: Parameters,
    *,
    lr: float,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> None:
    """Step by Adadelta (Zeiler 2012); states: square_avg v and acc_delta a.

    v = rho v + (1 - rho) d^2 with d = g + weight_decay p, u = d sqrt(a + eps) / sqrt(v + eps),
    a = rho a + (1 - rho) u^2, p -= lr u.
    """
    loop = adadelta_loop(parameters.real)
    parameters.update(count_steps, (), loop, (sign_of(maximize), lr, rho, eps, weight_decay))
