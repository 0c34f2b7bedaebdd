"""The command line that all models share: options, data, ranks, devices, checkpoints, Ctrl-C, pictures.

A model file thus holds only its net, its training loop and its evaluation (see `models.mnist`), and runs them:

    MODEL = DigitReader("mnist", __doc__, Net, learn, evaluate, epochs=6, batch_size=100, lr={"sgd": 0.1})
    run_command(MODEL)

The files, in the order to read them:

- `model`: the description of a model; `digits`: that of models that read digits, with `predict` and `draw`; `text`:
  that of models that write text, with `write`
- `trained`: the net of a run that has ended; `shown`: what it has read, as text; `own`: pictures of one's own to train
  on; `figures`: the pictures that a run leaves
- `main`: a run from its options to its exit status; `run`: the part that a training loop uses
- `sweep`: several runs compared; `grid`: these runs, on all cores; `rows`: their table and picture
- `record`: saving; `resume`: loading; `checkpoints`, `folder`, `lock`: the files of a run
- `options`, `parsing`, `messages`: the input and output of a command
"""

from .digits import DigitReader
from .lock import reserved
from .main import run_command
from .messages import Diverged, expect_finite
from .model import Model
from .parsing import Parser, path_to, positive, whole
from .run import Run
from .sweep import sweep
from .text import TextModel

__all__ = [
    "DigitReader",
    "Diverged",
    "Model",
    "Parser",
    "Run",
    "TextModel",
    "expect_finite",
    "path_to",
    "positive",
    "reserved",
    "run_command",
    "sweep",
    "whole",
]
