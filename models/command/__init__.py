"""What the commands of all models share: options, data, ranks, devices, checkpoints, Ctrl-C, pictures.

A model gives its net, a loop and a judgement of its own (see `models.mnist`), and runs them:

    MODEL = DigitReader("mnist", __doc__, Net, learn, evaluate, epochs=6, batch_size=100, lr={"sgd": 0.1})
    run_command(MODEL)

The files, in the order to read them:

- `model`: what a model tells its command; `digits`: the same for models that read digits, with `predict`
- `main`: a run from its options to its exit status; `run`: what the loop sees of it
- `record`: what is saved; `resume`: the way back; `checkpoints`, `folder`, `lock`: the files of a run
- `options`, `parsing`, `messages`: what a command understands, and what it says
"""

from .digits import DigitReader
from .lock import reserved
from .main import run_command
from .messages import Diverged, expect_finite
from .model import Model
from .parsing import Parser, path_to, positive, whole
from .run import Run

__all__ = [
    "DigitReader",
    "Diverged",
    "Model",
    "Parser",
    "Run",
    "expect_finite",
    "path_to",
    "positive",
    "reserved",
    "run_command",
    "whole",
]
