"""Optimisers and learning-rate schedules."""

from nn.optim import lr_scheduler as lr_scheduler
from nn.optim.adagrad import Adagrad as Adagrad
from nn.optim.adam import Adam as Adam
from nn.optim.adam import AdamW as AdamW
from nn.optim.optimizer import Optimizer as Optimizer
from nn.optim.rmsprop import RMSprop as RMSprop
from nn.optim.sgd import SGD as SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
