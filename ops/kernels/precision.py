"""How exact float32 arithmetic must be: PyTorch's switch, and what it allows these kernels.

Matrix products are formed in float32 whatever the setting.  It decides about convolutions alone:

"highest": every output is the sum of its own products, each rounded once (the direct strategies).
"high", the default: Winograd's algorithms may be used where they are faster.
"medium": the same as "high"; there are no bfloat16 kernels.

Why "high" is the default.  PyTorch's "high" allows products of about 16 bits (an error of 1e-5), and TF32, which
its convolutions use on GPUs unless told otherwise, has 11 (5e-4).  Winograd's arithmetic is float32 throughout.  The
largest error relative to the largest output, against float64, for normal numbers and 64 to 512 channels:

                    direct sums         2 x 2 tiles         4 x 4 tiles         PyTorch's CPU kernels
    3 x 3 filters
    forward, dx     0.9e-6 to 3.0e-6    0.3e-6 to 1.1e-6    1.6e-6 to 4.4e-6    0.3e-6
    dw              0.8e-6 to 6.7e-6    0.5e-6 to 3.6e-6    1.0e-6 to 6.0e-6    0.8e-6 to 6.7e-6
    at stride 2
    forward         0.7e-6 to 2.7e-6    0.3e-6 to 1.0e-6    0.8e-6 to 2.0e-6    0.3e-6
    dx              0.7e-6 to 2.0e-6    0.5e-6 to 1.2e-6    1.3e-6 to 5.6e-6    0.3e-6 to 1.9e-6
    dw              0.2e-6 to 1.0e-6    0.3e-6 to 0.7e-6    0.5e-6 to 0.7e-6    0.2e-6 to 1.0e-6
    5 x 5 filters
    forward, dx     1.5e-6 to 4.8e-6    1.1e-6 to 3.5e-6                        0.4e-6 to 0.7e-6
    dw              0.5e-6 to 1.6e-6    1.9e-6 to 3.7e-6                        0.5e-6 to 1.6e-6

So 4 x 4 tiles cost about one bit where many channels are summed, and make 3 x 3 convolutions two to three times as
fast, a quarter at stride 2; 2 x 2 tiles of 5 x 5 filters cost nothing but in dw, and are twice as fast.

When to choose "highest".  A tile of 2 x 2 or 4 x 4 outputs shares its sums: rounding errors are relative to the
largest input near an output, not to those it reads, which matters where neighbours differ by many orders of
magnitude; and an infinity or NaN reaches its whole tile (direct sums: only the outputs that read it, as in PyTorch).

float64 is always computed by direct sums, so gradient checks never see the difference.
"""

PRECISIONS = ("highest", "high", "medium")

_precision = "high"


def get_float32_matmul_precision() -> str:
    """Return "highest", "high" or "medium"."""
    return _precision


def set_float32_matmul_precision(precision: str) -> None:
    """Choose how exact float32 convolutions must be: "highest", "high" or "medium", in every Python thread."""
    global _precision
    if precision not in PRECISIONS:
        raise ValueError(
            f"set_float32_matmul_precision: expected one of {', '.join(map(repr, PRECISIONS))}, got {precision!r}"
        )
    _precision = precision


def allows_shared_sums() -> bool:
    """Return whether float32 outputs may be formed together, by Winograd's algorithms."""
    return _precision != "highest"
