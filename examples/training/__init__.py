"""The parts of `train.py`: options, data, models, the run itself, and what it shows."""
