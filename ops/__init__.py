"""Primitives, one file per family, and the table that binds them to `Tensor` (`methods`). Kernels are in
`kernels`.
"""

import autograd

if getattr(autograd, "__distribution__", None) != "magtape":
    raise ImportError(
        "magtape needs its own package `autograd`, but another distribution's was found at "
        f"{autograd.__file__}: run `pip uninstall autograd`, or put magtape's folder before it on sys.path"
    )

from ops import methods

methods.install()
