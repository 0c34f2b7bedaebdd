"""Reading photographs of digits with a net that `models.mnist` has trained."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from models.command import Parser, folder, path_to, say
from models.mnist import CLASSES, Net, probabilities
from models.results import checkpoint_of
from tinygrad_lite import DataError, MissingExtra, checkpoint
from tinygrad_lite.data import read_images
from tinygrad_lite.support.formatting import table


def parser() -> Parser:
    """Return the parser of the options of ``predict``."""
    parser = Parser(
        prog="python -m models.mnist predict",
        description="Read digits with a net that was trained before: print each with the probabilities of all ten.",
    )
    parser.add_argument(
        "images",
        nargs="+",
        type=path_to("a picture"),
        metavar="IMAGE",
        help="a photograph of one digit (PNG, JPEG, BMP, GIF, TIFF, WebP), or an IDX file of images",
    )
    parser.add_argument(
        "--out", type=folder, default="runs/mnist", metavar="DIR", help="of the run that trained it (%(default)s)"
    )
    return parser


def trained_net(folder: Path) -> Net:
    """Return the net of the run in a folder.

    Raises
    ------
    DataError
        If there is no checkpoint, it is of no run of this program, or it is not clear which one is meant.
    """
    path = checkpoint_of(folder)
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
