"""Steps by moving averages of the gradient and of its square: Adam and its kin. Formulas are those of `torch.optim`."""

import functools
import math

from ops.kernels.jit import kernel, split
from ops.kernels.parameters import GRAD, PARAM, STATE, Parameters, block_of, decayed, sign_of
from ops.kernels.scalar import Function


def weight_decays(weight_decay: float, lr: float, decoupled: bool) -> tuple[float, float]:
    """Return what weight decay adds to the gradient, and what it leaves of p."""
    return (0.0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1.0)


@kernel
def adam_rates(grads, scalars, rates, lr, beta1, beta2):
    """Count the update; rates: lr / (1 - b1^t) and 1 / sqrt(1 - b2^t)."""
    for i in range(grads.size):
        if grads[i] != 0:
            scalars[0, i] += 1
            t = float(scalars[0, i])
            rates[i, 0] = lr / (1 - beta1**t)
            rates[i, 1] = 1 / math.sqrt(1 - beta2**t)


@functools.cache
def adam_loop(real: type, amsgrad: bool) -> Function:
    """Compile the update of `adam`."""
    last = STATE + 1 + int(amsgrad)

    @kernel
    def part(start, stop, blocks, table, sizes, rates, like, sign, beta1, beta2, eps, l2, shrink):
        b1, b2, gain1, gain2 = real(beta1), real(beta2), real(1 - beta1), real(1 - beta2)
        sign, eps, l2, shrink = real(sign), real(eps), real(l2), real(shrink)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            step, scale = real(rates[i, 0]), real(rates[i, 1])
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            m = block_of(table, sizes, STATE, i, a, like)
            v = block_of(table, sizes, STATE + 1, i, a, like)
            top = block_of(table, sizes, last, i, a, like)
            for j in range(p.size):
                d = decayed(sign * g[j], l2, p[j])
                first = b1 * m[j] + gain1 * d
                second = b2 * v[j] + gain2 * d * d
                m[j], v[j] = first, second
                if amsgrad:
                    largest = top[j]
                    second = largest if largest >= second else second  # NaN goes on: it stays in v
                    top[j] = second
                p[j] = p[j] * shrink - step * first / (math.sqrt(second) * scale + eps)

    return split(part)


def adam(
    parameters: Parameters,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    maximize: bool = False,
    decoupled: bool = False,
) -> None:
    """Step by Adam (Kingma and Ba 2015); states: exp_avg m, exp_avg_sq v and, with amsgrad, max_exp_avg_sq.

    m = b1 m + (1 - b1) d, v = b2 v + (1 - b2) d^2, p -= lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps),
    where d = g + weight_decay p; or, decoupled (AdamW, Loshchilov and Hutter 2019), d = g and p is first
    scaled by 1 - lr weight_decay.  amsgrad replaces v by its maximum so far.
    """
    loop = adam_loop(parameters.real, amsgrad)
    decays = weight_decays(weight_decay, lr, decoupled)
    parameters.update(adam_rates, (lr, *betas), loop, (sign_of(maximize), *betas, eps, *decays))


@functools.cache
def adamax_loop(real: type) -> Function:
    """Compile the update of `adamax`."""

    @kernel
    def part(start, stop, blocks, table, sizes, rates, like, sign, beta1, beta2, eps, weight_decay):
        b1, b2, gain1 = real(beta1), real(beta2), real(1 - beta1)
        sign, eps, weight_decay = real(sign), real(eps), real(weight_decay)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            step = real(rates[i, 0])
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            m = block_of(table, sizes, STATE, i, a, like)
            u = block_of(table, sizes, STATE + 1, i, a, like)
            for j in range(p.size):
                d = decayed(sign * g[j], weight_decay, p[j])
                first = b1 * m[j] + gain1 * d
                size, largest = abs(d) + eps, b2 * u[j]
                largest = size if (size > largest) | (size != size) else largest  # NaN is kept
                m[j], u[j] = first, largest
                p[j] -= step * first / largest

    return split(part)


def adamax(
    parameters: Parameters,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> None:
    """Step by Adamax (Kingma and Ba 2015); states: exp_avg m and exp_inf u.

    m = b1 m + (1 - b1) d, u = max(b2 u, |d| + eps) with d = g + weight_decay p, p -= lr / (1 - b1^t) m / u.
    """
    loop = adamax_loop(parameters.real)
    parameters.update(adam_rates, (lr, *betas), loop, (sign_of(maximize), *betas, eps, weight_decay))


@kernel
def nadam_rates(grads, scalars, rates, lr, beta1, beta2, momentum_decay):
    """Count the update; rates: of the gradient, of its average, 1 / sqrt(1 - b2^t); scalar: the product of all mu."""
    for i in range(grads.size):
        if grads[i] != 0:
            scalars[0, i] += 1
            t = float(scalars[0, i])
            mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
            following = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
            scalars[1, i] *= scalars.dtype.type(mu)
            product = float(scalars[1, i])
            rates[i, 0] = lr * (1 - mu) / (1 - product)
            rates[i, 1] = lr * following / (1 - product * following)
            rates[i, 2] = 1 / math.sqrt(1 - beta2**t)


@functools.cache
def nadam_loop(real: type) -> Function:
    """Compile the update of `nadam`."""

    @kernel
    def part(start, stop, blocks, table, sizes, rates, like, sign, beta1, beta2, eps, l2, shrink):
        b1, b2, gain1, gain2 = real(beta1), real(beta2), real(1 - beta1), real(1 - beta2)
        sign, eps, l2, shrink = real(sign), real(eps), real(l2), real(shrink)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            now, past, scale = real(rates[i, 0]), real(rates[i, 1]), real(rates[i, 2])
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            m = block_of(table, sizes, STATE, i, a, like)
            v = block_of(table, sizes, STATE + 1, i, a, like)
            for j in range(p.size):
                d = decayed(sign * g[j], l2, p[j])
                first = b1 * m[j] + gain1 * d
                second = b2 * v[j] + gain2 * d * d
                m[j], v[j] = first, second
                p[j] = p[j] * shrink - (now * d + past * first) / (math.sqrt(second) * scale + eps)

    return split(part)


def nadam(
    parameters: Parameters,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    maximize: bool = False,
    decoupled: bool = False,
) -> None:
    """Step by NAdam (Dozat 2016); states: exp_avg m and exp_avg_sq v as Adam's; scalar: mu_product (1 at first).

    mu_t = b1 (1 - 0.96^(t momentum_decay) / 2), P_t = mu_1 ... mu_t,
    p -= lr ((1 - mu_t) / (1 - P_t) d + mu_{t+1} / (1 - P_{t+1}) m) / (sqrt(v / (1 - b2^t)) + eps).
    """
    loop = nadam_loop(parameters.real)
    decays = weight_decays(weight_decay, lr, decoupled)
    rate_options = (lr, *betas, momentum_decay)
    parameters.update(nadam_rates, rate_options, loop, (sign_of(maximize), *betas, eps, *decays))


@kernel
def radam_rates(grads, scalars, rates, lr, beta1, beta2):
    """Count the update; rates: of the average, and whether it is divided by the root of the average square."""
    longest = 2 / (1 - beta2) - 1
    for i in range(grads.size):
        if grads[i] != 0:
            scalars[0, i] += 1
            t = float(scalars[0, i])
            unseen = beta2**t
            length = longest - 2 * t * unseen / (1 - unseen)
            rates[i, 0] = lr / (1 - beta1**t)
            rates[i, 1] = length > 5
            if length > 5:
                shorter = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
                rates[i, 0] *= math.sqrt((1 - unseen) * shorter)


@functools.cache
def radam_loop(real: type) -> Function:
    """Compile the update of `radam`."""

    @kernel
    def part(start, stop, blocks, table, sizes, rates, like, sign, beta1, beta2, eps, l2, shrink):
        b1, b2, gain1, gain2 = real(beta1), real(beta2), real(1 - beta1), real(1 - beta2)
        sign, eps, l2, shrink = real(sign), real(eps), real(l2), real(shrink)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            step, adaptive = real(rates[i, 0]), rates[i, 1] != 0
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            m = block_of(table, sizes, STATE, i, a, like)
            v = block_of(table, sizes, STATE + 1, i, a, like)
            for j in range(p.size):
                d = decayed(sign * g[j], l2, p[j])
                first = b1 * m[j] + gain1 * d
                second = b2 * v[j] + gain2 * d * d
                m[j], v[j] = first, second
                size = math.sqrt(second) + eps
                p[j] = p[j] * shrink - step * first / (size if adaptive else real(1))

    return split(part)


def radam(
    parameters: Parameters,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
    decoupled: bool = False,
) -> None:
    """Step by RAdam (Liu et al. 2020); states: exp_avg m and exp_avg_sq v as Adam's.

    With R = 2 / (1 - b2) - 1 and r = R - 2 t b2^t / (1 - b2^t), as long as r <= 5, p -= lr m / (1 - b1^t); then
    p -= lr m / (1 - b1^t) sqrt(1 - b2^t) / (sqrt(v) + eps) sqrt((r - 4) (r - 2) R / ((R - 4) (R - 2) r)).
    """
    loop = radam_loop(parameters.real)
    decays = weight_decays(weight_decay, lr, decoupled)
    parameters.update(radam_rates, (lr, *betas), loop, (sign_of(maximize), *betas, eps, *decays))
