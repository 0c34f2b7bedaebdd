"""Models that read digits: they share their data, their pictures, and the subcommand ``predict``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tinygrad_lite import DataError
from tinygrad_lite.data import DataUnavailable, Digits, load_mnist, load_synthetic
from tinygrad_lite.data.splits import DIGITS
from tinygrad_lite.support.formatting import wrapped

from .draw import draw
from .figures import figures
from .messages import meant, say
from .model import Model
from .own import holds_mnist, load_own
from .parsing import Parser
from .predict import predict, probabilities, seen_by
from .run import Run
from .sweep import sweep_command


class DigitReader(Model):
    """A model that reads digits: MNIST's, synthetic ones that the library renders, or pictures of one's own."""

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
            "downloaded, else synthetic; or a folder with MNIST's files, with what the page of draw downloads, or with "
            "a folder of pictures for each class (auto)",
        )

    def load(self, args: Namespace) -> tuple[Digits, str]:
        """Return the digits that ``--data`` names, and their kind: ``"mnist"``, ``"synthetic"``, or a folder's path."""
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
            return (load_mnist(source), "mnist") if holds_mnist(Path(source)) else load_own(Path(source), args)
        try:
            return load_mnist(), "mnist"
        except DataUnavailable as error:
            say(instead(error), args.quiet)
            return load_synthetic(), "synthetic"

    def of_data(self, data: Digits) -> dict[str, Any]:
        """Return the names of the classes."""
        return {"classes": [*data.classes]}

    def new_net(self, options: Mapping[str, Any], rng: int | None = None) -> Any:
        """Return a new net with an output for each class."""
        own = {name: options[name] for name in self.options}
        return self.net(**own, rng=rng, classes=len(options.get("classes") or DIGITS))

    def read(self, picture: Any, folder: str | Path | None = None) -> dict[str, float]:
        """Return the probability of each class that a trained net sees in one picture.

        Parameters
        ----------
        picture : path-like, array, or picture of Pillow
            As `tinygrad_lite.data.read_images` takes it.
        folder : path-like, optional
            The folder of the run that trained the net, by default that of the command.

        Examples
        --------
        >>> from models.mnist import MODEL
        >>> MODEL.read("seven.png")  # doctest: +SKIP
        {'0': 0.0, …, '7': 0.98, '8': 0.0, '9': 0.01}
        """
        trained = self.trained(folder or self.out)
        shares = probabilities(trained.net, seen_by(trained, picture))
        if len(shares) != 1:
            raise DataError(f"{picture} holds {len(shares)} images: name a picture, or give one of the images")
        return dict(zip(trained.classes, shares[0].tolist(), strict=True))

    def caution(self, kind: str) -> str:
        """Return a caution on synthetic digits; its number is MNIST's test accuracy after the reference run on them."""
        if kind != "synthetic":
            return ""
        share = "only about 62 % of real ones" if self.name == "mnist" else "real ones far less well"
        return f"These digits are synthetic: a net that has learned from them reads {share}."

    def figures(self, run: Run) -> dict[str, Any]:
        """Draw the training curves, the misread test digits, the confusion matrix, and the first layer."""
        return figures(run)


def instead(error: DataUnavailable) -> str:
    """Return what a run says that goes on without MNIST, in lines of a terminal."""
    now = "MNIST is not here (--data mnist tells why), so this run learns from digits that it renders"
    return wrapped(f"{now}, which takes some seconds, once. {error.remedy}.")
