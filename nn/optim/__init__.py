"""Optimisers and learning-rate schedules."""

from nn.optim import lr_scheduler as lr_scheduler
from nn.optim import swa_utils as swa_utils
from nn.optim.adadelta import Adadelta as Adadelta
from nn.optim.adagrad import Adagrad as Adagrad
from nn.optim.adam import Adam as Adam
from nn.optim.adam import AdamW as AdamW
from nn.optim.adamax import Adamax as Adamax
from nn.optim.asgd import ASGD as ASGD
from nn.optim.lbfgs import LBFGS as LBFGS
from nn.optim.nadam import NAdam as NAdam
from nn.optim.optimizer import Optimizer as Optimizer
from nn.optim.radam import RAdam as RAdam
from nn.optim.rmsprop import RMSprop as RMSprop
from nn.optim.rprop import Rprop as Rprop
from nn.optim.sgd import SGD as SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]
