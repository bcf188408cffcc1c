"""Random numbers both libraries start from."""

import numpy as np


def draw(*shape, seed=0):
    """Return standard normal numbers, float64."""
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def draw_classes(classes, *shape, seed=0):
    """Return class numbers below `classes`, int64."""
    return np.random.default_rng((seed, *shape)).integers(0, classes, shape)


def start_alike(model, seed=0):
    """Fill the parameters: weights of variance 1 / fan-in, scales around 1, biases around 0. Return the model."""
    rng = np.random.default_rng(seed)
    for name, parameter in model.named_parameters():
        values = rng.standard_normal(tuple(parameter.shape))
        if parameter.dim() >= 2:
            values /= np.sqrt(parameter[0].numel())
        else:
            values = 0.1 * values + ("bias" not in name)
        parameter.data.copy_(parameter.new_tensor(values))
    return model
