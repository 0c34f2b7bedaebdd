"""The subcommand ``predict``: it reads photographs of digits with a trained net."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import DataError, MissingExtra
from tinygrad_lite.data import Batches, read_images
from tinygrad_lite.data.splits import are_digits

from .messages import failed, say
from .model import Model
from .parsing import Parser, path_to
from .shown import in_brief, in_full, side_by_side
from .trained import Trained

MOST_SHOWN = 10  # pictures: of more, a terminal gets a table


@tg.no_grad()
def probabilities(net: Any, images: Any) -> Any:
    """Return the net's probabilities of the classes (n, classes) for images (n, 784)."""
    device = next(iter(net.parameters())).device
    return np.concatenate([net(part).numpy() for part, _ in Batches(images, images, 2_000, device=device)])


def seen_by(trained: Trained, picture: Any) -> Any:
    """Return the images (n, 784) that a net sees of a picture; the parts of a sign that is no digit may lie apart."""
    return read_images(picture, whole=not are_digits(trained.classes))


def parser_of(model: Model) -> Parser:
    """Return the argument parser of ``predict``."""
    parser = Parser(
        prog=f"{model.prog} predict",
        description="Read photographs of digits with a trained net. In a terminal, this shows each picture as the net "
        "sees it, beside the probabilities; to a file or a pipe it writes a table with a row for each picture.",
        epilog=f"The same in Python: from models.{model.name} import MODEL; MODEL.read('digit.png')",
    )
    parser.add_argument(
        "images",
        nargs="+",
        type=path_to("a picture"),
        metavar="IMAGE",
        help="a photograph of one digit (PNG, JPEG, BMP, GIF, TIFF, WebP), or an IDX file of images",
    )
    parser.add_argument(
        "--out",
        type=path_to("a folder"),
        default=model.out,
        metavar="DIR",
        help="folder of the run that trained the net (%(default)s)",
    )
    parser.add_argument(
        "--show",
        action=argparse.BooleanOptionalAction,
        help=f"show what the net sees (up to {MOST_SHOWN} pictures in a terminal, none elsewhere)",
    )
    return parser


def predict(model: Model, arguments: list[str]) -> int:
    """Print the digit in each picture; return the exit status: 0, or 2 after an error."""
    parser = parser_of(model)
    args = parser.parse_args(arguments)
    try:
        trained = model.trained(args.out)
    except (DataError, MissingExtra, OSError) as error:
        return failed(parser.prog, error)
    names, images, errors = [], [], []
    for path in args.images:
        try:
            found = seen_by(trained, path)
        except (DataError, OSError) as error:
            errors.append(error)
            continue
        names += [f"{path} {i}" if len(found) > 1 else str(path) for i in range(len(found))]
        images += [*found]
    if names:
        report(trained, names, np.array(images), args.show)
    for unread in errors:
        failed(parser.prog, unread)
    return 2 if errors else 0


def report(trained: Trained, names: list[str], images: Any, show: bool | None) -> None:
    """Print what the net reads in images: for a person who looks at a terminal, or for a program."""
    classes, shares = trained.classes, probabilities(trained.net, images)
    read, what = [*zip(names, shares, strict=True)], "digit" if are_digits(classes) else "class"
    if show or (show is None and sys.stdout.isatty() and len(names) <= MOST_SHOWN):
        for (name, p), image in zip(read, images, strict=True):
            say(side_by_side(name, image, p, classes))
    else:
        say(in_brief(read, classes) if sys.stdout.isatty() else in_full(read, classes, what))
    if show or sys.stdout.isatty():
        say(str(trained))
    if caution := trained.model.caution(trained.kind):
        say(caution)
