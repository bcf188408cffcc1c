"""Early stopping: end when images held out tell that training no longer helps, and keep the best weights."""

from typing import Any

import nn


class EarlyStopping:
    """Remembers the weights of the epoch with the lowest loss on the validation images.

    Args:
        patience: epochs to wait for a lower loss.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.lowest = float("inf")
        self.waited = 0
        self.weights: dict[str, Any] | None = None

    def update(self, loss: float, model: nn.Module) -> None:
        """Take note of an epoch's loss."""
        self.waited += 1
        if loss < self.lowest:
            self.lowest, self.waited = loss, 0
            self.weights = {name: value.clone() for name, value in model.state_dict().items()}

    @property
    def is_over(self) -> bool:
        """Whether the patience is at its end."""
        return self.waited >= self.patience

    def load_best(self, model: nn.Module) -> None:
        """Give the model its best weights back."""
        if self.weights is not None:
            model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return {"lowest": self.lowest, "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what a checkpoint holds."""
        self.lowest, self.waited, self.weights = state["lowest"], state["waited"], state["weights"]
