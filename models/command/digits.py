"""Models that read digits: they share their data, their pictures, and the subcommand ``predict``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from textwrap import fill
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import DataError, Tensor, nn, no_grad, plot
from tinygrad_lite.data import DataUnavailable, Digits, Split, load_mnist, load_synthetic

from .draw import draw
from .messages import say
from .model import Model
from .parsing import Parser, meant
from .predict import predict, probabilities
from .run import Run
from .sweep import sweep_command

MAPS = 16  # at most so many kernels are shown at work


class DigitReader(Model):
    """A model that reads digits: MNIST's, or synthetic ones that the library renders."""

    sample = "digit"
    epilog = (
        "{prog} predict IMAGE… reads photographs of digits with the net that was trained;\n"
        "{prog} draw opens a web page in which you draw a digit and see the net read it;\n"
        "{prog} sweep --lr 0.1,0.3,1 compares learning rates."
    )
    commands: ClassVar = {"predict": predict, "draw": draw, "sweep": sweep_command}

    def add_source(self, parser: Parser) -> None:
        """Add ``--data``."""
        parser.add_argument(
            "--data",
            default="auto",
            metavar="auto|mnist|synthetic|DIR",
            help="source of the digits: mnist; synthetic, rendered here; auto, MNIST if it is on disk or can be "
            "downloaded, else synthetic; or a folder with MNIST's files (auto)",
        )

    def load(self, args: Namespace) -> tuple[Digits, str]:
        """Return the digits that ``--data`` names, and their kind: ``"mnist"`` or ``"synthetic"``."""
        source = args.data
        if source == "synthetic":
            return load_synthetic(), source
        if source == "mnist":
            return load_mnist(), source
        if source != "auto":
            if not (source and Path(source).is_dir()):
                near = meant(source, ("auto", "mnist", "synthetic"))
                raise DataError(
                    f"--data takes auto, mnist, synthetic or a folder, and there is no folder {source!r}{near}"
                )
            return load_mnist(source), "mnist"
        try:
            return load_mnist(), "mnist"
        except DataUnavailable as error:
            say(instead(error), args.quiet)
            return load_synthetic(), "synthetic"

    def caution(self, kind: str) -> str:
        """Return a caution on synthetic digits; its number is MNIST's test accuracy after the reference run on them."""
        if kind == "mnist":
            return ""
        share = "only about 62 % of real ones" if self.name == "mnist" else "real ones far less well"
        return f"These digits are synthetic: a net that has learned from them reads {share}."

    def figures(self, run: Run) -> dict[str, Any]:
        """Draw the training curves, the misread test digits, the confusion matrix, and the first layer."""
        metrics, test = run.record.metrics, run.data.test
        digits = "MNIST" if metrics["data"] == "mnist" else "synthetic digits"
        predictions = probabilities(run.net, test.images).argmax(axis=1)
        return {
            "curves": plot.curves(metrics["history"], f"Learning {digits}"),
            "mistakes": plot.mistakes(test.images, test.labels, predictions, f"Test set of {digits}"),
            "confusion": plot.confusion(test.labels, predictions, int(test.labels.max()) + 1, f"Test set of {digits}"),
            **first_layer(run.net, test, f"First layer, trained on {digits}"),
        }


def instead(error: DataUnavailable) -> str:
    """Return what a run says that goes on without MNIST, in lines of a terminal."""
    now = "MNIST is not here (--data mnist tells why), so this run learns from digits that it renders"
    return fill(
        f"{now}, which takes some seconds, once. {error.remedy}.", 80, break_long_words=False, break_on_hyphens=False
    )


@no_grad()
def first_layer(net: nn.Module, test: Split, heading: str) -> dict[str, Any]:
    """Draw the weights of the first layer; of a convolution its kernels, and the maps that they make of some digits."""
    weight = next(iter(net.parameters()))
    if weight.ndim == 2:
        return {"weights": plot.weights(weight.numpy(), heading)}
    convolution = next(layer for _, layer in net.named_modules() if isinstance(layer, nn.Conv2d))
    some = test.images[np.unique(test.labels, return_index=True)[1]].reshape(-1, 1, 28, 28)  # the first of each digit
    maps = convolution(Tensor(some).to(weight.device)).numpy()[:, :MAPS]
    digits = some * np.quantile(np.abs(maps), 0.995)  # as dark as the strongest answers
    height, width = maps.shape[2:]
    rows = np.concatenate([digits[:, :, :height, :width], maps], axis=1)
    return {
        "weights": plot.tiles(weight.numpy()[:, 0], title=heading, label="weight"),
        "features": plot.tiles(
            rows.reshape(-1, height, width),
            columns=rows.shape[1],
            title=f"{heading}: digits, and what its kernels answer at each place; ReLU lets red pass",
            label="answer",
        ),
    }
