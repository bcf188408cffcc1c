"""L-BFGS."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd.grad_mode import enable_grad
from autograd.tensor import Tensor
from autograd.views import mark_written
from nn.optim.line_search import Point, StrongWolfe
from nn.optim.optimizer import Optimizer
from nn.optim.options import check_at_least_zero, number
from nn.optim.table import Layout, Table
from ops.lazy_kernels import lbfgs, optim

Vector = np.ndarray[Any, Any]


class LBFGS(Optimizer):
    """x ← x + t · d, d = −H g, with H built from the last `history_size` changes of the gradient.

    One `step` makes up to `max_iter` such moves and calls `closure` up to `max_eval` times (default: 5/4 · max_iter),
    or once more if the last call is a line search's.
    It ends earlier where no |gᵢ| exceeds `tolerance_grad`, or where f or x change less than `tolerance_change`.
    t is lr (the first ever: at most lr / Σ|gᵢ|), or found by line search if `line_search_fn` is "strong_wolfe".
    All parameters are one vector: there is one group.

    Source: Liu & Nocedal, On the limited memory BFGS method for large scale optimization, 1989.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        limits = {"max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval}
        tolerances = {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        self._table: Table | None = None
        options = {"lr": lr, **limits, **tolerances, "history_size": history_size, "line_search_fn": line_search_fn}
        super().__init__(params, options)

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("LBFGS", lr=group["lr"])
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError(f"LBFGS: only 'strong_wolfe' is supported, or None, got {group['line_search_fn']!r}")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add the one group there may be."""
        if self.param_groups:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Minimise what `closure` returns, which must compute it and its gradients; return its first value."""
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        run = _Run(self, closure, state, group)
        first = run.first_loss
        if not run.is_flat():
            run.iterate()
        state["func_evals"] += run.evaluations
        return first

    # -- parameters as one vector -------------------------------------------------------------------------------------

    def flat_gradient(self) -> Vector:
        """Return all gradients in one vector; of parameters without one, zeros."""
        params = self.param_groups[0]["params"]
        parts = [np.zeros(p.array.size, p.array.dtype) if p._grad is None else p._grad.array.ravel() for p in params]
        return np.concatenate(parts)

    def move(self, t: float, d: Vector) -> None:
        """Add t · d to the parameters."""
        table = self._table_of_all()
        ends = np.cumsum([p.array.size for p in table.params]).tolist()
        parts = [d[end - p.array.size : end] for p, end in zip(table.params, ends, strict=True)]
        table.follow()
        table.parameters.set_grads(parts)
        optim.sgd(table.parameters, lr=-t)
        table.write_back("LBFGS.step")
        for param in table.params:
            mark_written(param, "LBFGS.step")

    def _table_of_all(self) -> Table:
        params, layout, table = self.param_groups[0]["params"], Layout(counts=False), self._table
        if table is None or not table.holds(params) or not table.is_current(layout, {}):
            table = self._table = Table("LBFGS", params, layout, {})
        return table

    def place(self, values: list[Vector]) -> None:
        """Set the parameters."""
        for param, value in zip(self.param_groups[0]["params"], values, strict=True):
            param.array[...] = value
            mark_written(param, "LBFGS.step")

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_table": None}  # it holds addresses, which no copy shares


class _Run:
    """One `step`: what is known of the function, and the moves made so far."""

    def __init__(
        self, optimizer: LBFGS, closure: Callable[[], Any], state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        self.optimizer = optimizer
        self.state = state
        self.group = group
        self.lr = number("LBFGS", "lr", group["lr"])
        self.closure = closure
        self.evaluations = 0
        self.first_loss = self._evaluate()

    def _evaluate(self) -> Any:
        with enable_grad():
            loss = self.closure()
        self.loss = float(loss)
        self.grad = self.optimizer.flat_gradient()
        self.evaluations += 1
        return loss

    def is_flat(self) -> bool:
        """Say whether no element of the gradient exceeds the tolerance."""
        return bool(largest(self.grad) <= self.group["tolerance_grad"])

    def iterate(self) -> None:
        """Move until a limit or a tolerance is met; keep in the state what the next step goes on from."""
        memory = _Memory(self.state, self.group["history_size"], self.grad.dtype.type)
        for iteration in range(1, self.group["max_iter"] + 1):
            first = memory.take_in(self.grad)
            memory.loss = before = self.loss
            memory.t = min(1.0, 1.0 / float(np.abs(self.grad).sum())) * self.lr if first else self.lr
            slope = lbfgs.dot(self.grad, memory.d)
            if slope > -self.group["tolerance_change"]:
                break
            self._advance(memory, slope, iteration == self.group["max_iter"])
            if iteration == self.group["max_iter"] or self._is_done(memory, before):
                break
        memory.save(self.state)

    def _advance(self, memory: "_Memory", slope: float, last: bool) -> None:
        if self.group["line_search_fn"] is not None:
            self._search(memory, slope)
            return
        self.optimizer.move(memory.t, memory.d)
        if not last:  # after the last move nobody asks for the loss
            self._evaluate()

    def _search(self, memory: "_Memory", slope: float) -> None:
        d, optimizer = memory.d, self.optimizer
        origin = [p.array.copy() for p in self.group["params"]]

        def evaluate(t: float) -> Point:
            optimizer.move(t, d)
            self._evaluate()
            optimizer.place(origin)
            return Point(t, np.float64(self.loss), self.grad, np.float64(lbfgs.dot(self.grad, d)))

        start = Point(0.0, np.float64(self.loss), self.grad, np.float64(slope))
        search = StrongWolfe(evaluate, start, largest(d), self.group["max_eval"] - self.evaluations)
        found = search(memory.t)
        memory.t, self.loss, self.grad = float(found.t), float(found.loss), found.grad
        optimizer.move(memory.t, d)

    def _is_done(self, memory: "_Memory", before: float) -> bool:
        change = self.group["tolerance_change"]
        return (
            self.evaluations >= self.group["max_eval"]
            or self.is_flat()
            or bool(largest(memory.d) * abs(memory.t) <= change)
            or abs(self.loss - before) < change
        )


class _Memory:
    """The last changes of the gradient, the steps that caused them, and the last direction, step length and loss."""

    def __init__(self, state: dict[str, Any], size: int, real: Callable[[float], Any]) -> None:
        self.size = size
        self.real = real
        self.count: int = state["n_iter"]
        self.changes, self.steps = ([x.array for x in state.get(name) or ()] for name in ("old_dirs", "old_stps"))
        self.inverses = [float(x) for x in state.get("ro") or ()]
        self.scale = float(state.get("H_diag") or 1.0)
        self.t = float(state.get("t") or 0.0)
        self.loss = state.get("prev_loss")
        nothing = Tensor(np.empty(0))
        self.d, self.grad = (state.get(name, nothing).array for name in ("d", "prev_flat_grad"))

    def take_in(self, grad: Vector) -> bool:
        """Learn from the step just made, and find the next direction; return whether it is the first ever."""
        self.count += 1
        if self.count > 1:
            self._remember(grad - self.grad, self.d * self.real(self.t))
        self.d = lbfgs.direction(grad, self.changes, self.steps, self.inverses, self.scale)
        self.grad = grad
        return self.count == 1

    def _remember(self, change: Vector, step: Vector) -> None:
        product = lbfgs.dot(change, step)
        if not product > 1e-10:
            return
        if len(self.changes) == self.size:
            for each in (self.changes, self.steps, self.inverses):
                each.pop(0)
        self.changes.append(change)
        self.steps.append(step)
        # rounded to what is saved of them
        self.inverses.append(float(self.real(1.0 / product)))
        self.scale = float(self.real(product / lbfgs.dot(change, change)))

    def save(self, state: dict[str, Any]) -> None:
        """Put everything into the optimiser's state, under PyTorch's names."""
        state["n_iter"] = self.count
        state["d"], state["prev_flat_grad"] = Tensor(self.d), Tensor(self.grad)
        state["t"], state["prev_loss"] = self.t, self.loss
        state["old_dirs"], state["old_stps"] = ([Tensor(x) for x in each] for each in (self.changes, self.steps))
        state["ro"] = [Tensor(np.asarray(self.real(x))) for x in self.inverses]
        state["H_diag"] = Tensor(np.asarray(self.real(self.scale)))


def largest(x: Vector) -> float:
    """Return the largest magnitude, NaN if there is one."""
    return float(np.maximum(x.max(), -x.min()))
