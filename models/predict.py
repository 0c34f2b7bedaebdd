"""Reading photographs of digits with a net that `models.mnist` has trained."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import tinygrad_lite as tg
from models.command import Parser
from models.mnist import CLASSES, FORMATS, Net
from tinygrad_lite import DataError, MissingExtra, checkpoint
from tinygrad_lite.data import read_images
from tinygrad_lite.text import table


def parser() -> Parser:
    """Return the parser of the options of ``predict``."""
    parser = Parser(
        prog="python -m models.mnist predict",
        description="Read digits with a net that was trained before: print each with the probabilities of all ten.",
    )
    parser.add_argument(
        "images",
        nargs="+",
        type=Path,
        metavar="IMAGE",
        help="a photograph of one digit (PNG, or what else matplotlib reads), or an IDX file of images",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/mnist"), metavar="DIR", help="of the run that trained it (%(default)s)"
    )
    parser.add_argument(
        "--checkpoint-format", choices=FORMATS, default=FORMATS[0], help="of its checkpoint (%(default)s)"
    )
    return parser


def trained_net(path: Path) -> Net:
    """Return the net that a run's checkpoint holds.

    Raises
    ------
    DataError
        If there is no checkpoint, or it is of no run of this program.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such checkpoint: train a net first, with python -m models.mnist")
    states, facts = checkpoint.load(path)
    try:
        net = Net(facts["config"]["hidden"]).astype(facts["config"]["dtype"])
        net.load_state_dict(states["net"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} holds no run of this program ({error}): train a net first") from None
    return net


@tg.no_grad()
def predict(arguments: Sequence[str] | None = None) -> int:
    """Print what the digits in pictures are; return the exit status: 0, or 2 after an error."""
    args = parser().parse_args(arguments)
    try:
        net = trained_net(args.out / f"checkpoint.{args.checkpoint_format}")
        rows = [("image", "digit", *map(str, range(CLASSES)))]
        for path in args.images:
            probabilities = net(read_images(path)).numpy()
            for i, p in enumerate(probabilities):
                name = f"{path} {i}" if len(probabilities) > 1 else str(path)
                rows.append((name, str(p.argmax()), *(f"{probability:.3f}" for probability in p)))
        print(table(rows, right=range(1, 2 + CLASSES)))
    except (DataError, MissingExtra, OSError) as error:
        print(f"{parser().prog}: {error}", file=sys.stderr)
        return 2
    return 0
