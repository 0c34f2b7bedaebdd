"""Reading photographs of digits with a net that `models.mnist` has trained."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from models.command import Parser, say
from models.mnist import CLASSES, Net, probabilities
from models.results import checkpoints_in
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
        help="a photograph of one digit (PNG, JPEG, BMP, GIF, TIFF, WebP), or an IDX file of images",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/mnist"), metavar="DIR", help="of the run that trained it (%(default)s)"
    )
    return parser


def trained_net(folder: Path) -> Net:
    """Return the net of the latest checkpoint in the folder of a run.

    Raises
    ------
    DataError
        If there is no checkpoint, or it is of no run of this program.
    """
    saved = checkpoints_in(folder)
    if not saved:
        raise DataError(f"{folder}: there is no checkpoint here: train a net first, with python -m models.mnist")
    path = saved[0]
    states, facts = checkpoint.load(path)
    try:
        net = Net(facts["config"]["hidden"]).astype(facts["config"]["dtype"])
        net.load_state_dict(states["net"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} holds no run of this program ({error}): train a net first") from None
    return net


def predict(arguments: Sequence[str] | None = None) -> int:
    """Print what the digits in pictures are; return the exit status: 0, or 2 after an error."""
    args = parser().parse_args(arguments)
    rows, errors = [("image", "digit", *map(str, range(CLASSES)))], []
    try:
        net = trained_net(args.out)
    except (DataError, MissingExtra, OSError) as error:
        print(f"{parser().prog}: {error}", file=sys.stderr)
        return 2
    for path in args.images:
        try:
            found = probabilities(net, read_images(path))
        except (DataError, OSError) as error:
            errors.append(error)
            continue
        for i, p in enumerate(found):
            name = f"{path} {i}" if len(found) > 1 else str(path)
            rows.append((name, str(p.argmax()), *(f"{probability:.3f}" for probability in p)))
    if len(rows) > 1:
        say(table(rows, right=range(1, 2 + CLASSES)))
    for unread in errors:
        print(f"{parser().prog}: {unread}", file=sys.stderr)
    return 2 if errors else 0
