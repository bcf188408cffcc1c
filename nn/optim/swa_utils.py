"""Averages of a model's weights along its training: stochastic weight averaging, and exponential moving averages.

Source: Izmailov et al., Averaging weights leads to wider optima and better generalization, 2018.
"""

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from autograd.device import check_device
from autograd.grad_mode import no_grad
from autograd.tensor import Tensor
from autograd.views import detach, mark_written, write
from nn.module import Module
from nn.normalization import _BatchNorm
from nn.optim.lr_scheduler.scheduler import LRScheduler, Rate, per_group
from nn.optim.optimizer import Optimizer
from ops.lazy_kernels import lists

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Tensors = Sequence[Tensor]
AvgFn = Callable[[Tensor, Tensor, Any], Tensor]
MultiAvgFn = Callable[[Tensors, Tensors, Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    """Return a function for `avg_fn`: decay · average + (1 − decay) · value."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> AvgFn:
    """Return a function for `avg_fn`: average + (value − average) / (num_averaged + 1), the mean of all values."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """Return a function for `multi_avg_fn`: decay · average + (1 − decay) · value, for all tensors at once."""
    one_by_one = get_ema_avg_fn(decay)

    def ema_update(ema_param_list: Tensors, current_param_list: Tensors, num_averaged: Any) -> None:
        if not _average(ema_param_list, current_param_list, 1 - decay):
            _average_each(one_by_one, ema_param_list, current_param_list, num_averaged)

    return ema_update


def get_swa_multi_avg_fn() -> MultiAvgFn:
    """Return a function for `multi_avg_fn` that makes averages the mean of all values, for all tensors at once.

    Where the number averaged is a tensor of integers, 1 / (number + 1) is of the default type.
    """
    one_by_one = get_swa_avg_fn()

    def swa_update(averaged_param_list: Tensors, current_param_list: Tensors, num_averaged: Any) -> None:
        if not _average(averaged_param_list, current_param_list, float(1 / (num_averaged + 1))):
            _average_each(one_by_one, averaged_param_list, current_param_list, num_averaged)

    return swa_update


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def _average(averages: Tensors, values: Tensors, weight: float) -> bool:
    """Move all averages by the share `weight` of their distance from their values, if the kernel takes them."""
    arrays, given = [each.array for each in averages], [each.array for each in values]
    kinds = {x.dtype for x in (*arrays, *given)}
    fits = all(a.flags.carray and a.shape == x.shape for a, x in zip(arrays, given, strict=True))
    if not fits or len(kinds) != 1 or not kinds <= {np.dtype(np.float32), np.dtype(np.float64)}:
        return False
    lists.average(arrays, given, weight)
    for each in averages:
        mark_written(each, "AveragedModel.update_parameters")
    return True


def _average_each(avg_fn: AvgFn, averages: Tensors, values: Tensors, num_averaged: Any) -> None:
    for average, value in zip(averages, values, strict=True):
        _copy([average], [avg_fn(average, value, num_averaged)])


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's, one value at each `update_parameters`.

    Args:
        model: the model; its copy is `module`.
        device: the cpu.
        avg_fn: f(average, value, number averaged so far) → new average, for one parameter. Default: the mean.
        multi_avg_fn: f(averages, values, number averaged so far), which writes all averages of one type.
        use_buffers: whether buffers are averaged too; otherwise they are copied.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AvgFn | None = None,
        multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("AveragedModel: only one of avg_fn and multi_avg_fn should be provided")
        check_device(device)
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", Tensor(np.zeros((), np.int64)))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the averaged model."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's parameters into the averages; the first ones are copied."""
        averages, values = self._averaged(self.module), self._averaged(model)
        if self.n_averaged == 0:
            _copy(averages, values)
        elif self.avg_fn is not None:
            _average_each(self.avg_fn, averages, values, self.n_averaged)
        else:
            update, count = self.multi_avg_fn, self.n_averaged
            if update is None:
                update, count = get_swa_multi_avg_fn(), count.item()
            for kind in dict.fromkeys(x.array.dtype for x in averages):
                pairs = [(a, x) for a, x in zip(averages, values, strict=True) if a.array.dtype == kind]
                update([a for a, _ in pairs], [x for _, x in pairs], count)
        if not self.use_buffers:
            _copy(list(self.module.buffers()), list(model.buffers()))
        write(self.n_averaged, self.n_averaged.array + 1, "AveragedModel.update_parameters")

    def _averaged(self, module: Module) -> list[Tensor]:
        buffers = module.buffers() if self.use_buffers else ()
        return [detach(x) for x in itertools.chain(module.parameters(), buffers)]


def _copy(targets: Tensors, sources: Tensors) -> None:
    for target, source in zip(targets, sources, strict=True):
        write(target, source.array, "AveragedModel.update_parameters")


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of BatchNorm layers anew, as means over a data loader's inputs.

    Args:
        loader: yields inputs, or tuples or lists that start with one.
        model: the model; without BatchNorm layers, nothing is done.
        device: the cpu.
    """
    check_device(device)
    layers = {layer: layer.momentum for layer in model.modules() if isinstance(layer, _BatchNorm)}
    if not layers:
        return
    was_training = model.training
    model.train()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    try:
        for input in loader:
            model(input[0] if isinstance(input, (list, tuple)) else input)
    finally:
        for layer, momentum in layers.items():
            layer.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """lr goes from its value to `swa_lr` in `anneal_epochs` epochs, by a cosine or linearly, and stays there.

    Args:
        swa_lr: the last rate, one for all groups or one for each.
        anneal_epochs: 0 sets it at once.
        anneal_strategy: "cos" or "linear".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for lr, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = lr
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """Return how much of the way is made after a number of steps."""
        share = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return share if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * share)) / 2

    def _rates(self) -> list[Rate]:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        return [
            group["swa_lr"] * now + _first_rate(group["lr"], group["swa_lr"], before) * (1 - now)
            for group in self.optimizer.param_groups
        ]


def _first_rate(lr: Any, swa_lr: Any, share: float) -> Any:
    """Return where the way to `swa_lr` began, a share of which has led to lr."""
    return swa_lr if share == 1 else (lr - share * swa_lr) / (1 - share)
