"""The subcommand ``sweep``: it trains once with each of several learning rates, on all cores, and compares the nets.

In Python it is one line: ``rows, figure = sweep(models.mnist.MODEL, lr=[0.1, 0.3, 1], epochs=3)``.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_lite import plot
from tinygrad_lite.parallel import INTERRUPTED
from tinygrad_lite.support.files import write_atomically

from .folder import SWEEP, place_beside, results_in, set_aside
from .grid import compare, grid
from .lock import reserved
from .messages import meant, say
from .model import Model
from .options import add_options, read_options
from .parsing import Parser, several
from .rows import Row, described, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def parser_of(model: Model) -> Parser:
    """Return the argument parser of ``sweep``."""
    parser = Parser(
        prog=f"{model.prog} sweep",
        description="Train once with each learning rate, on all cores, and compare the nets. Options with a comma "
        "below take several values, and all combinations are trained. The other options hold for every run.",
    )
    add_options(parser, model)
    for action in parser._actions:
        if action.dest in ("lr", "batch_size", "seed", *model.options):
            action.type, action.metavar = several(action.type), f"{action.dest.upper()},…"
        if action.dest == "lr":
            action.help = "the learning rates to compare"
    parser.set_defaults(out=f"{model.out}-sweep")
    return parser


def sweep_command(model: Model, arguments: list[str]) -> int:
    """Run the subcommand; return the exit status: 0, or 130 after Ctrl-C."""
    parser = parser_of(model)
    args = read_options(model, arguments, parser)
    if not isinstance(args.lr, list):
        parser.error("give --lr the learning rates to compare, such as --lr 0.1,0.3,1")
    plot.prepare()
    with reserved(args.out):
        data, kind = model.load(args)
        if results_in(args.out) and not args.resume:
            say(f"the earlier results in {args.out} are moved to {place_beside(args.out)}", args.quiet)
            set_aside(args.out)
        rows = compare(model, args, data, kind)
        if rows:
            content = json.dumps({"data": kind, "runs": rows}, indent=2, allow_nan=False)
            write_atomically(args.out / SWEEP[0], f"{content}\n".encode())
            plot.save(picture(model, rows), args.out / SWEEP[1])
            say(f"{described(rows)}\n(the picture is {args.out / SWEEP[1]})", args.quiet)
    if caution := model.caution(kind):
        say(caution, args.quiet)
    missing = len(grid(args)) - len(rows)
    if missing:
        say(f"interrupted: {missing} of {len(grid(args))} runs have not ended (--resume continues them)")
    return INTERRUPTED if missing else 0


def sweep(model: Model, lr: Sequence[float], **options: Any) -> tuple[list[Row], Figure]:
    """Train a model once for each combination of options; return the metrics of the runs, and a picture of them.

    Each run is the one that the command makes of its options. On all cores (by joblib) it has one thread of BLAS, so
    the last digits of its losses are those of ``OPENBLAS_NUM_THREADS=1``: more threads add sums in another order.

    Parameters
    ----------
    model : Model
        Such as ``models.mnist.MODEL``.
    lr : sequence of float
        The learning rates.
    **options
        Options of its command, such as ``epochs=3``. A list, such as ``seed=[0, 1, 2]``, is combined with the learning
        rates. Without ``out``, a folder, no files are left.
    """
    defaults = vars(read_options(model, [], parser_of(model)))
    for name in options:
        if name not in defaults:
            raise TypeError(f"sweep: {model.prog} has no option {name!r}{meant(name, defaults)}")
    with TemporaryDirectory() as folder:
        args = Namespace(**{**defaults, "lr": lr, "out": folder, **options})
        args.out = Path(args.out)
        if not grid(args) or np.min(args.epochs) < 1:
            raise ValueError("sweep: there is nothing to compare: give a value for each option at least, and an epoch")
        data, kind = model.load(args)
        rows = compare(model, args, data, kind)
    if not rows:
        raise KeyboardInterrupt  # before any run has ended
    return rows, picture(model, rows)
