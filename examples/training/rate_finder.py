"""Find a learning rate: train with one that grows at each step, and see how far the loss falls.

Smith (2017), Cyclical learning rates for training neural networks, section 3.3. There the rate just before the loss
rises again is the largest of a cycle; with the mean of several steps, which lags, a tenth of it is a good first rate.
"""

from pathlib import Path
from typing import Any

import numpy as np

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 100
MEMORY = 0.9  # how much of the mean loss each step keeps
DIVERGED = 4.0  # times the lowest mean loss


def find_rate(run: Any, steps: int = STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Return rates and the mean losses so far at each; stops early where the loss explodes.

    The rate of step t is LOWEST · (HIGHEST / LOWEST)^(t / (steps - 1)), the mean m ← 0.9 m + 0.1 loss, corrected for
    its start at 0 by 1 - 0.9^(t + 1).
    """
    rates = np.geomspace(LOWEST, HIGHEST, steps)
    mean, means = 0.0, []
    run.model.train()
    for step, (rate, (images, labels)) in enumerate(zip(rates, _endless(run.loader), strict=False)):
        for group in run.optimizer.param_groups:
            group["lr"] = float(rate)
        _, loss = run.step(images, labels)
        mean = MEMORY * mean + (1 - MEMORY) * loss.item()
        means.append(mean / (1 - MEMORY ** (step + 1)))
        if not np.isfinite(means[-1]) or means[-1] > DIVERGED * min(means):
            break
    return rates[: len(means)], np.array(means)


def _endless(loader: Any) -> Any:
    while True:
        yield from loader


def suggest(rates: np.ndarray, means: np.ndarray) -> float | None:
    """Return a tenth of the rate where the mean loss is lowest; None where it never falls by a hundredth."""
    lowest = int(np.nanargmin(means)) if np.isfinite(means).any() else 0
    return float(rates[lowest] / 10) if means[lowest] < 0.99 * means[0] else None


def draw(rates: np.ndarray, means: np.ndarray, suggested: float | None, file: Path) -> None:
    """Draw the loss over the rate."""
    from training.pictures import plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    axes.plot(rates, means, color="black")
    axes.set_xscale("log")
    if suggested is not None:
        axes.axvline(suggested, color="C1", linestyle="--", label=f"a good first rate, {suggested:.1e}")
        axes.legend()
    axes.set(xlabel="learning rate, growing at each step", ylabel="mean cross-entropy loss of the last steps")
    axes.set_title("the loss while the learning rate grows")
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120, bbox_inches="tight")
    plt.close(figure)
