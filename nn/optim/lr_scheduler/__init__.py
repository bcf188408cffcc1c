"""Learning-rate schedules. Most give the next rate from the present one, so that several can be chained."""

from nn.optim.lr_scheduler.composite import ChainedScheduler as ChainedScheduler
from nn.optim.lr_scheduler.composite import SequentialLR as SequentialLR
from nn.optim.lr_scheduler.cosine import CosineAnnealingLR as CosineAnnealingLR
from nn.optim.lr_scheduler.cosine import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from nn.optim.lr_scheduler.cyclic import CyclicLR as CyclicLR
from nn.optim.lr_scheduler.factors import ConstantLR as ConstantLR
from nn.optim.lr_scheduler.factors import ExponentialLR as ExponentialLR
from nn.optim.lr_scheduler.factors import LambdaLR as LambdaLR
from nn.optim.lr_scheduler.factors import LinearLR as LinearLR
from nn.optim.lr_scheduler.factors import MultiplicativeLR as MultiplicativeLR
from nn.optim.lr_scheduler.factors import MultiStepLR as MultiStepLR
from nn.optim.lr_scheduler.factors import PolynomialLR as PolynomialLR
from nn.optim.lr_scheduler.factors import StepLR as StepLR
from nn.optim.lr_scheduler.one_cycle import OneCycleLR as OneCycleLR
from nn.optim.lr_scheduler.plateau import ReduceLROnPlateau as ReduceLROnPlateau
from nn.optim.lr_scheduler.scheduler import LRScheduler as LRScheduler

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
