"""The subcommand ``predict``: it reads photographs of digits with a trained net."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import DataError, MissingExtra
from tinygrad_lite.data import Batches, read_images
from tinygrad_lite.support.formatting import table

from .messages import failed, say
from .model import Model
from .parsing import Parser, path_to


@tg.no_grad()
def probabilities(net: Any, images: Any) -> Any:
    """Return the net's probabilities of the classes (n, classes) for images (n, 784)."""
    device = next(iter(net.parameters())).device
    return np.concatenate([net(part).numpy() for part, _ in Batches(images, images, 2_000, device=device)])


def parser_of(model: Model) -> Parser:
    """Return the argument parser of ``predict``."""
    parser = Parser(
        prog=f"{model.prog} predict",
        description="Read photographs of digits with a trained net, and print the probabilities of all ten digits.",
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
    return parser


def predict(model: Model, arguments: list[str]) -> int:
    """Print the digit in each picture; return the exit status: 0, or 2 after an error."""
    parser = parser_of(model)
    args = parser.parse_args(arguments)
    try:
        net, kind = model.trained(args.out)
    except (DataError, MissingExtra, OSError) as error:
        return failed(parser.prog, error)
    read, errors = [], []
    for path in args.images:
        try:
            found = probabilities(net, read_images(path))
        except (DataError, OSError) as error:
            errors.append(error)
            continue
        read += [(f"{path} {i}" if len(found) > 1 else str(path), p) for i, p in enumerate(found)]
    if read:
        classes = range(len(read[0][1]))
        rows = [("image", "digit", *map(str, classes))]
        rows += [(name, str(p.argmax()), *(f"{share:.3f}" for share in p)) for name, p in read]
        say(table(rows, right=range(1, 2 + len(classes))))
        if caution := model.caution(kind):
            say(caution)
    for unread in errors:
        failed(parser.prog, unread)
    return 2 if errors else 0
