"""Elementary functions of vectors, written as LLVM IR: the exp, sigmoid and tanh of `scalar`, term by term."""

import math
from collections.abc import Sequence

import numpy as np
from llvmlite import ir

from ops.kernels.emitter import Emitter

TANH: dict[type, tuple[tuple[float, ...], tuple[float, ...]]] = {
    np.float32: (
        (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1),
        (1.0,),
    ),
    np.float64: (
        (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3),
        (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3),
    ),
}


class Functions:
    """Elementary functions of vectors, as `scalar` has them of numbers."""

    def __init__(self, e: Emitter) -> None:
        self.e, self.b = e, e.builder
        self.real = np.float32 if e.size == 4 else np.float64
        self.word = ir.VectorType(ir.IntType(8 * e.size), e.lanes)
        self.one = self.number(1.0)

    def number(self, value: float) -> ir.Value:
        """Return a number in all lanes."""
        return ir.Constant(self.e.vector, [float(self.real(value))] * self.e.lanes)

    def integer(self, value: int) -> ir.Value:
        """Return an integer of a float's size in all lanes."""
        return ir.Constant(self.word, [value] * self.e.lanes)

    def horner(self, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
        """Sum coefficients[k] x^(n-k), the highest power first."""
        y = self.number(coefficients[0])
        for coefficient in coefficients[1:]:
            y = self.e.multiply_add(y, x, self.number(coefficient))
        return y

    def relu(self, x: ir.Value) -> ir.Value:
        """max(x, 0); NaN passes."""
        return self.b.select(self.b.fcmp_ordered("<=", x, self.e.zero), self.e.zero, x)

    def one_minus_square(self, y: ir.Value) -> ir.Value:
        """1 - y^2, the slope of tanh where it is y."""
        return self.b.fsub(self.one, self.b.fmul(y, y))

    def sigmoid_slope(self, y: ir.Value) -> ir.Value:
        """y (1 - y), the slope of sigmoid where it is y."""
        return self.b.fmul(y, self.b.fsub(self.one, y))

    def half_exp(self, x: ir.Value) -> ir.Value:
        """e^x / 2 = 2^(n-1) e^r, n the integer next to x / log 2: 2^n itself may overflow."""
        b, info = self.b, np.finfo(self.real)
        single = self.real is np.float32
        high, low = (
            (0.693359375, -2.12194440e-4) if single else (float.fromhex("0x1.62e42feep-1"), 1.90821492927058770002e-10)
        )
        lowest, highest = self.number(info.minexp * math.log(2)), self.number((info.maxexp + 0.4) * math.log(2))
        x = b.select(b.fcmp_ordered("<", x, lowest), lowest, x)
        x = b.select(b.fcmp_ordered(">", x, highest), highest, x)
        magic = self.number(1.5 * 2**info.nmant)  # adding it rounds to an integer and leaves that in the lowest bits
        rounded = self.e.multiply_add(x, self.number(1 / math.log(2)), magic)
        n = b.fsub(rounded, magic)
        r = self.e.multiply_add(n, self.number(-high), x)
        r = self.e.multiply_add(n, self.number(-low), r)
        half_scale = b.shl(b.add(b.bitcast(rounded, self.word), self.integer(-info.minexp)), self.integer(info.nmant))
        degree = 7 if single else 13
        power = self.horner(r, [1 / math.factorial(k) for k in range(degree, -1, -1)])
        return b.fmul(power, b.bitcast(half_scale, self.e.vector))

    def sigmoid(self, x: ir.Value) -> ir.Value:
        """1 / (1 + e^-x), above and below the line halved."""
        half = self.number(0.5)
        return self.b.fdiv(half, self.b.fadd(half, self.half_exp(self.b.fneg(x))))

    def tanh(self, x: ir.Value) -> ir.Value:
        """x + x^3 P(x^2) / Q(x^2) near zero, 1 - 1 / (e^2|x| / 2 + 1/2) with the sign of x elsewhere."""
        b = self.b
        p, q = TANH[self.real]
        s, sign = b.fmul(x, x), self.integer(-1 << (8 * self.e.size - 1))
        bits = b.bitcast(x, self.word)
        size = b.bitcast(b.and_(bits, b.not_(sign)), self.e.vector)
        ratio = self.horner(s, p)
        if len(q) > 1:
            ratio = b.fdiv(ratio, self.horner(s, q))
        near = self.e.multiply_add(b.fmul(x, s), ratio, x)
        far = b.fsub(self.one, b.fdiv(self.one, b.fadd(self.half_exp(b.fadd(size, size)), self.number(0.5))))
        far = b.bitcast(b.or_(b.bitcast(far, self.word), b.and_(bits, sign)), self.e.vector)
        return b.select(b.fcmp_ordered("<", size, self.number(0.625)), near, far)
