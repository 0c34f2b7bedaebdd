"""The options of every command, and the optimizer that they select."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from tinygrad_lite import checkpoint, nn, optim
from tinygrad_lite.support.devices import MODULES
from tinygrad_lite.support.formatting import wrapped

from .model import Model
from .parsing import Parser, fraction, one_of, path_to, positive, whole

# The options on which the result depends. To resume a run, they must be equal (except epochs), as must the model's own.
CONFIG = ("epochs", "batch_size", "optimizer", "lr", "momentum", "seed", "shuffle", "dtype")


def parser_of(model: Model) -> Parser:
    """Return the parser of a model's command. Its defaults give the model's reference run."""
    parser = Parser(
        commands=tuple(model.commands),
        prog=model.prog,
        description="\n\n".join(wrapped(" ".join(part.split())) for part in (model.description or "").split("\n\n")),
        epilog=wrapped(model.epilog.format(prog=model.prog)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser, model)
    return parser


def add_options(parser: Parser, model: Model) -> None:
    """Add all options of a model's command to a parser."""
    _add_training(parser, model)
    for name, arguments in model.options.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **arguments)
    model.add_source(parser)
    _add_running(parser, model)


def read_options(model: Model, arguments: Sequence[str], parser: Parser | None = None) -> argparse.Namespace:
    """Return the options of a model's command; the default learning rate depends on the optimizer."""
    parser = parser or parser_of(model)
    args: argparse.Namespace = parser.parse_args(arguments)
    if args.momentum and args.optimizer != "sgd":
        other = ", or give --optimizer sgd" if "sgd" in model.lr else ""
        parser.error(f"argument --momentum: {args.optimizer} has no momentum: leave it out{other}")
    if args.lr is None:
        args.lr = model.lr[args.optimizer]
    return args


def make_optimizer(net: nn.Module, args: argparse.Namespace) -> optim.Optimizer:
    """Return the optimizer that the options select."""
    if args.optimizer == "adam":
        return optim.Adam(net.parameters(), args.lr)
    return optim.SGD(net.parameters(), args.lr, args.momentum)


def _add_training(parser: Parser, model: Model) -> None:
    """Add the options on which the result of a run depends."""
    first, *others = model.lr
    rates = "; ".join((_rate(model.lr[first]), *(f"{_rate(model.lr[name])} for {name}" for name in others)))
    add = parser.add_argument
    add(
        "--epochs",
        type=whole(1),
        default=model.epochs,
        help=f"number of passes over the training {model.sample}s (%(default)s)",
    )
    add("--batch-size", type=whole(1), default=model.batch_size, help=f"{model.sample}s in each step (%(default)s)")
    add("--optimizer", **one_of(*model.lr), default=first, help="method that updates the weights (%(default)s)")
    add("--lr", type=positive, help=f"learning rate ({rates})")
    add("--momentum", type=fraction, default=0.0, help="of sgd: the fraction of a step that the next keeps (0)")
    add("--seed", type=whole(0), default=0, help="of the initial weights and of --shuffle (%(default)s)")
    new = "use a new random order in every epoch, not that of the file"
    add("--shuffle", action=argparse.BooleanOptionalAction, default=model.shuffle, help=new)
    add("--dtype", **one_of("float32", "float64"), default="float32", help="type of the weights (%(default)s)")


def _add_running(parser: Parser, model: Model) -> None:
    """Add the options for where and how a run computes and saves."""
    formats = [suffix.removeprefix(".") for suffix in checkpoint.FORMATS]
    compiled = "compile the training step: faster, and the results differ by rounding only (--jit)"
    add = parser.add_argument
    add("--out", type=path_to("a folder"), default=model.out, metavar="DIR", help="folder for results (%(default)s)")
    add("--jit", action=argparse.BooleanOptionalAction, default=True, help=compiled)
    add("--device", **one_of(*MODULES), default="cpu", help="device to compute on (%(default)s)")
    again = (
        "continue from the checkpoint in --out, if there is one; with as many threads of BLAS, which add in the same "
    )
    add("--resume", action="store_true", help=f"{again}order, the results have the same bits as without a stop")
    add("--checkpoint-every", type=whole(1), metavar="N", help="save every N steps, too, not only after each epoch")
    add("--checkpoint-format", **one_of(*formats), default="npz", help="format of the checkpoint file (%(default)s)")
    add("--quiet", action="store_true", help="print nothing but errors")


def _rate(lr: float) -> str:
    """Return a learning rate as text: a decimal if six digits are exact, else a power of ten."""
    return f"{lr:g}" if float(f"{lr:g}") == lr else f"10^{math.log10(lr):g}"
