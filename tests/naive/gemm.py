"""Matrix products as their definition reads."""

import numpy as np


def matmul(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None, relu: bool = False) -> np.ndarray:
    """C[i, j] = sum_k A[i, k] * B[k, j] + bias[j], then max(., 0) if relu, in double precision."""
    (rows, depth), columns = a.shape, b.shape[1]
    c = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            total = 0.0 if bias is None else float(bias[j])
            for k in range(depth):
                total += float(a[i, k]) * float(b[k, j])
            c[i, j] = 0.0 if relu and total < 0 else total
    return c


def batched_matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """C[n] = A[n] B[n]; a batch of one serves every n."""
    batch = max(a.shape[0], b.shape[0]) if min(a.shape[0], b.shape[0]) else 0
    products = [matmul(a[n % a.shape[0]], b[n % b.shape[0]]) for n in range(batch)]
    return np.array(products).reshape(batch, a.shape[1], b.shape[2])
