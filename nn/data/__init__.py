"""Data sets and the loader that batches them."""

from nn.data import datasets as datasets
from nn.data.dataset import ConcatDataset as ConcatDataset
from nn.data.dataset import Dataset as Dataset
from nn.data.dataset import Subset as Subset
from nn.data.dataset import TensorDataset as TensorDataset
from nn.data.dataset import random_split as random_split
from nn.data.loader import DataLoader as DataLoader
from nn.data.loader import default_collate as default_collate

__all__ = [
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "Subset",
    "TensorDataset",
    "datasets",
    "default_collate",
    "random_split",
]
