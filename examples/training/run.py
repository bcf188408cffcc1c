"""A training run: model, optimiser, loader and figures, all of which a checkpoint holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import autograd
import nn
import nn.functional as F
from nn import optim
from nn.data import DataLoader
from training import data, models
from training.early_stopping import EarlyStopping
from training.progress import Progress

NOTHING = {"steps": 0, "seen": 0, "loss": 0.0, "correct": 0}  # the sums at the beginning of an epoch


class Run:
    """A training run: what it was asked for, and all that a checkpoint must hold to go on exactly.

    Args:
        settings: what its results depend on; see `options.DEFAULTS`.
        path: of the checkpoint.
        workers, save_every: see the options; they change no result.
    """

    def __init__(
        self, settings: dict[str, Any], images: data.Images, path: Path, workers: int, save_every: int
    ) -> None:
        self.settings, self.images, self.path, self.save_every = settings, images, path, save_every
        autograd.manual_seed(settings["seed"])
        self.model = models.build(settings["model"], images.shape, images.classes)
        self.optimizer = make_optimizer(settings, self.model)
        self.scheduler = make_scheduler(settings, self.optimizer)
        self.loader = DataLoader(
            images.train,
            settings["batch_size"],
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            batch_transform=data.augmentation(settings, images),
        )
        self.stopping = EarlyStopping(settings["early_stopping"]) if settings["early_stopping"] else None
        self.history: list[dict[str, float]] = []
        self.sums = dict(NOTHING)

    def _parts(self) -> dict[str, Any]:
        """Return what has a state, by its name in the checkpoint."""
        parts = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler, "loader": self.loader}
        return parts if self.stopping is None else {**parts, "stopping": self.stopping}

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        state.update(settings=self.settings, rng=autograd.get_rng_state(), history=self.history, sums=self.sums)
        autograd.save(state, self.path)

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where a checkpoint was written."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        autograd.set_rng_state(state["rng"])
        self.history, self.sums = state["history"], state["sums"]

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or no more help."""
        return len(self.history) >= self.settings["epochs"] or (self.stopping is not None and self.stopping.is_over)

    def train_epoch(self, progress: Progress) -> None:
        """Pass over the training images, or over those that are left of an epoch."""
        self.model.train()
        sums = self.sums
        progress.start_epoch(len(self.history) + 1, len(self.loader), sums["steps"])
        for images, labels in self.loader:
            scores, loss = self.step(images, labels)
            sums["steps"] += 1
            sums["seen"] += len(labels)
            sums["loss"] += loss.item() * len(labels)
            sums["correct"] += int((scores.array.argmax(1) == labels.array).sum())
            progress.advance(sums["loss"] / sums["seen"], sums["correct"] / sums["seen"])
            if self.save_every and sums["steps"] % self.save_every == 0:
                self.save()
        self.end_epoch()
        progress.end_epoch(self.history[-1])

    def step(self, images: autograd.Tensor, labels: autograd.Tensor) -> tuple[autograd.Tensor, autograd.Tensor]:
        """Improve the weights for one batch; return the scores before, and their loss."""
        self.optimizer.zero_grad()
        scores = self.model(images)
        loss = F.cross_entropy(scores, labels, label_smoothing=self.settings["label_smoothing"])
        loss.backward()
        self.optimizer.step()
        return scores, loss

    def end_epoch(self) -> None:
        """Note the epoch's figures, on the images held out if there are any, and begin to sum anew."""
        watched = "test" if self.images.validation is None else "validation"
        loss, chosen, labels = self.evaluate(getattr(self.images, watched))
        self.history.append(
            {
                "loss": self.sums["loss"] / self.sums["seen"],
                "accuracy": self.sums["correct"] / self.sums["seen"],
                f"{watched}_loss": loss,
                f"{watched}_accuracy": int((chosen == labels).sum()) / len(labels),
                "lr": self.optimizer.param_groups[0]["lr"],
            }
        )
        self.scheduler.step()
        if self.stopping is not None:
            self.stopping.update(loss, self.model)
        self.sums = dict(NOTHING)

    def evaluate(self, images: Any) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the mean loss on images, the classes that the model chose, and the right ones."""
        self.model.eval()
        chosen, right, loss = [], [], 0.0
        with autograd.no_grad():
            for batch, labels in DataLoader(images, batch_size=256):
                scores = self.model(batch)
                loss += F.cross_entropy(scores, labels, reduction="sum").item()
                chosen.append(scores.array.argmax(1))
                right.append(labels.array)
        return loss / len(images), np.concatenate(chosen), np.concatenate(right)

    def test(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the classes that the model chose for the test images, with its best weights, and the right ones."""
        if self.stopping is not None:
            self.stopping.load_best(self.model)
        return self.evaluate(self.images.test)[1:]


def make_optimizer(settings: dict[str, Any], model: nn.Module) -> optim.Optimizer:
    """Return the optimiser of the model's parameters."""
    options = {"lr": settings["lr"], "weight_decay": settings["weight_decay"]}
    if settings["optimizer"] == "sgd":
        return optim.SGD(model.parameters(), momentum=0.9, **options)
    return {"adam": optim.Adam, "adamw": optim.AdamW}[settings["optimizer"]](model.parameters(), **options)


def make_scheduler(settings: dict[str, Any], optimizer: optim.Optimizer) -> optim.lr_scheduler.LRScheduler:
    """Return what changes the learning rate after each epoch."""
    schedulers, epochs = optim.lr_scheduler, settings["epochs"]
    makers: dict[str, Callable[[], optim.lr_scheduler.LRScheduler]] = {
        "cosine": lambda: schedulers.CosineAnnealingLR(optimizer, T_max=max(1, epochs)),
        "step": lambda: schedulers.MultiStepLR(optimizer, milestones=[-(-epochs // 2), -(-3 * epochs // 4)]),
        "constant": lambda: schedulers.ConstantLR(optimizer, factor=1.0),
    }
    return makers[settings["schedule"]]()
