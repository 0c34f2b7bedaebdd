"""The subcommand ``draw``: it writes a web page in which one draws a digit, and sees the trained net read it."""

from __future__ import annotations

import contextlib
import json
import webbrowser
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import DataError
from tinygrad_lite.support.quantized import dequantized, quantized

from .folder import METRICS, PAGE
from .messages import failed, say
from .model import Model
from .parsing import Parser, path_to


def parser_of(model: Model) -> Parser:
    """Return the argument parser of ``draw``."""
    parser = Parser(
        prog=f"{model.prog} draw",
        description=f"Write {PAGE}, a web page in which you draw a digit and see the trained net read it, and open it.",
    )
    add = parser.add_argument
    folder = "folder of the run that trained the net, and of the page (%(default)s)"
    add("--out", type=path_to("a folder"), default=model.out, metavar="DIR", help=folder)
    add("--no-open", action="store_true", help="write the page, but do not open it in the browser")
    add("--in-bytes", action="store_true", help="write one byte a weight: a smaller file, with the change in accuracy")
    return parser


def draw(model: Model, arguments: list[str]) -> int:
    """Write the page of a trained net; return the exit status: 0, or 2 after an error."""
    parser = parser_of(model)
    args = parser.parse_args(arguments)
    page = args.out / PAGE
    try:
        trained = model.trained(args.out)
        net, kind, accuracy = trained.net, trained.kind, recorded_accuracy(args.out)
        if args.in_bytes:
            accuracy = rounded(trained.model, net, kind)
        sample = np.zeros((1, 28 * 28), next(iter(net.parameters())).dtype)
        tg.export_page(
            net,
            sample,
            page,
            classes=trained.classes,
            accuracy=accuracy,
            data=Path(kind).name,
            in_bytes=args.in_bytes,
        )
    except (DataError, tg.ExportError, tg.MissingExtra, OSError) as error:
        return failed(parser.prog, error)
    say(f"the page is {page} ({page.stat().st_size / 1000:.0f} kB)")
    if caution := model.caution(kind):
        say(caution)
    if not args.no_open and not webbrowser.open(page.resolve().as_uri()):
        say("No browser was found: open the file in one")
    return 0


def recorded_accuracy(folder: Path) -> float | None:
    """Return the test accuracy of the run in a folder; None if it is not known, as after an interruption."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        return float(json.loads((folder / METRICS).read_text())["test_accuracy"])
    return None


def rounded(model: Model, net: Any, kind: str) -> float:
    """Round the weights of a net to bytes; print what it does to the test accuracy, and return the new one."""
    test = model.load(Namespace(data=kind, quiet=True))[0].test
    before = model.evaluate(net, test)[1]
    for weight in net.parameters():
        if weight.ndim > 1:
            weight.data = dequantized(*quantized(weight.numpy())).astype(weight.dtype)
    after = model.evaluate(net, test)[1]
    say(f"test accuracy with one byte a weight: {after:.4f}; it is {before:.4f} without rounding")
    return after
