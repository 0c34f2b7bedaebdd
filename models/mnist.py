"""A net of 784, 90 and 10 units that learns to read handwritten digits.

Its activations are identity, ReLU and softmax. It is trained with the squared loss by stochastic gradient descent:
6 epochs, batches of 100, a learning rate of 10^-0.35. About 96.7 % of the test digits are read right after it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import tinygrad_lite as tg
from models.command import Parser, output_folder, positive, say, whole
from tinygrad_lite import DataError, checkpoint, nn, optim, plot
from tinygrad_lite.data import Batches, DataUnavailable, Digits, Split, load_mnist, load_synthetic
from tinygrad_lite.files import write_atomically
from tinygrad_lite.nn.functional import accuracy, one_hot, squared_loss

CLASSES = 10
CONFIG = ("epochs", "batch_size", "lr", "seed", "shuffle", "dtype", "hidden")
INTERRUPTED = 130  # the exit status after Ctrl-C, by the shells' custom


class Net(nn.Module):
    """Images (n, 784) to probabilities (n, 10)."""

    def __init__(self, hidden: int = 90, rng: np.random.Generator | int | None = None) -> None:
        rng = np.random.default_rng(rng)
        self.input = nn.Identity()
        self.hidden = nn.Linear(784, hidden, rng=rng)
        self.output = nn.Linear(hidden, CLASSES, rng=rng)

    def forward(self, images: Any) -> tg.Tensor:
        hidden = self.hidden(self.input(images)).relu()
        logits = self.output(hidden)
        return logits.softmax()


class Diverged(Exception):
    """The loss is no longer a number."""


Step = Callable[[Any, Any], Any]


def training_step(net: Net, optimizer: optim.Optimizer) -> Step:
    """Return the function that goes down the gradient of one batch, and returns the loss before."""

    def step(images: Any, targets: Any) -> tg.Tensor:
        loss = squared_loss(net(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def train(step: Step, batches: Iterable[tuple[Any, Any]]) -> None:
    """Show the net every sample once, a batch at a time."""
    for number, (images, targets) in enumerate(batches, 1):
        loss = step(images, targets).item()
        if not math.isfinite(loss):
            raise Diverged(f"step {number}: the loss is {loss}")


@tg.no_grad()
def evaluate(net: Net, split: Split) -> tuple[float, float]:
    """Return the loss, as a mean over the samples, and the accuracy."""
    loss = right = 0.0
    # In parts that fit the processor's cache.
    for images, labels in Batches(split.images, split.labels, 2_000):
        p = net(images)
        loss += squared_loss(p, one_hot(labels, CLASSES)).item() * len(labels)
        right += accuracy(p, labels) * len(labels)
    return loss / len(split), right / len(split)


def _first_not_finite(net: Net) -> str:
    for name, parameter in net.named_parameters():
        if not np.isfinite(parameter.numpy()).all():
            return f"and the first parameter that is not finite is {name}"
    return "though every parameter is finite"


def run(args: argparse.Namespace) -> int:
    """Train as the options say, write the results, return the exit status."""
    tg.set_default_dtype(args.dtype)
    plot.prepare()
    data, kind = load_data(args.data, args.quiet)
    net = Net(args.hidden, rng=args.seed)
    optimizer = optim.SGD(net.parameters(), args.lr)
    targets = one_hot(data.train.labels, CLASSES)
    batches = Batches(data.train.images, targets, args.batch_size, args.shuffle, args.seed)
    step = training_step(net, optimizer)
    if args.jit:
        step = tg.jit(step)

    metrics: dict[str, Any] = {
        "data": kind,
        "config": {name: getattr(args, name) for name in CONFIG},
        "initial_valid_accuracy": evaluate(net, data.valid)[1],
        "history": [],
        "test_accuracy": None,
        "seconds": 0.0,
    }
    saved = args.out / "checkpoint.npz"
    if args.resume:
        metrics = resume(saved, metrics, net, optimizer)
        say(f"resuming after epoch {len(metrics['history'])}", args.quiet)
    else:
        say(f"validation accuracy before training: {metrics['initial_valid_accuracy']:.4f}", args.quiet)
    batches.epoch = len(metrics["history"])

    stopped: BaseException | None = None
    for epoch in range(len(metrics["history"]) + 1, args.epochs + 1):
        start = time.perf_counter()
        bar = tqdm(batches, f"epoch {epoch}/{args.epochs}", unit="batch", disable=args.quiet)
        try:
            # What overflows shows in the loss, which is checked at every step and after the last.
            with np.errstate(all="ignore"):
                train(step, bar)
                train_loss, train_accuracy = evaluate(net, data.train)
                valid_loss, valid_accuracy = evaluate(net, data.valid)
            if not math.isfinite(train_loss + valid_loss):
                raise Diverged(f"after the last step: the loss is {train_loss + valid_loss}")
            seconds = time.perf_counter() - start
            finished = {
                "epoch": epoch,
                "train_loss": train_loss,
                "valid_loss": valid_loss,
                "train_accuracy": train_accuracy,
                "valid_accuracy": valid_accuracy,
                "seconds": seconds,
            }
            history = [*metrics["history"], finished]
            so_far = metrics | {"history": history, "seconds": metrics["seconds"] + seconds}
            checkpoint.save(saved, {"net": net.state_dict(), "optimizer": optimizer.state_dict()}, so_far)
            metrics = so_far
            write_metrics(args.out, metrics)
        except Diverged as reason:
            bar.close()
            stopped = Diverged(f"{reason}, {_first_not_finite(net)}")
            break
        except KeyboardInterrupt as reason:
            bar.close()
            stopped = reason
            break
        say(
            f"  train loss {train_loss:.4f}, accuracy {train_accuracy:.4f};  "
            f"validation loss {valid_loss:.4f}, accuracy {valid_accuracy:.4f}",
            args.quiet,
        )

    if metrics["history"]:
        # An epoch that was broken off has moved the weights: the results are those of the last one that was saved.
        states, last = checkpoint.load(saved)
        metrics = last | {"config": metrics["config"]}
        net.load_state_dict(states["net"])
        try:
            report(net, data, metrics, args.out)
        except KeyboardInterrupt:
            say("interrupted while the results were written: --resume writes them again")
            return INTERRUPTED
    done = len(metrics["history"])
    kept = f"The results of epoch {done} are kept in {args.out}" if done else "Nothing was written"
    if isinstance(stopped, Diverged):
        raise Diverged(f"epoch {done + 1}, {stopped}. {kept}. Try a lower --lr")
    if stopped is not None:
        say(f"interrupted after epoch {done}. {kept}" if done else f"interrupted in the first epoch. {kept}")
        return INTERRUPTED
    say(f"test accuracy: {metrics['test_accuracy']:.4f}  (results are in {args.out})", args.quiet)
    return 0


def load_data(source: str, quiet: bool = False) -> tuple[Digits, str]:
    """Return the digits that ``--data`` names, and what they are: ``"mnist"`` or ``"synthetic"``."""
    if source == "synthetic":
        return load_synthetic(), source
    if source == "mnist":
        return load_mnist(), source
    if source != "auto":
        if not Path(source).is_dir():
            raise DataError(f"--data takes auto, mnist, synthetic or a folder, and there is no folder {source!r}")
        return load_mnist(source), "mnist"
    try:
        return load_mnist(), "mnist"
    except DataUnavailable as error:
        say(f"{error}\nTraining on synthetic digits instead, which are rendered here.", quiet)
        return load_synthetic(), "synthetic"


def report(net: Net, data: Digits, metrics: dict[str, Any], folder: Path) -> None:
    """Judge the net by the test digits; write the figures and the metrics."""
    test = data.test
    metrics["test_accuracy"] = evaluate(net, test)[1]
    write_metrics(folder, metrics)
    with tg.no_grad():
        predictions = net(test.images).argmax(axis=1)
    digits = "MNIST" if metrics["data"] == "mnist" else "synthetic digits"
    figures = {
        "curves": plot.curves(metrics["history"], f"Learning {digits}"),
        "mistakes": plot.mistakes(test.images, test.labels, predictions, f"Test set of {digits}"),
        "confusion": plot.confusion(test.labels, predictions, CLASSES, f"Test set of {digits}"),
        "weights": plot.weights(net.hidden.weight.numpy(), f"First layer, trained on {digits}"),
    }
    for name, figure in figures.items():
        plot.save(figure, folder / f"{name}.png")


def write_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    """Write ``metrics.json``."""
    write_atomically(folder / "metrics.json", (json.dumps(metrics, indent=2, allow_nan=False) + "\n").encode())


def resume(path: Path, fresh: dict[str, Any], net: Net, optimizer: optim.Optimizer) -> dict[str, Any]:
    """Bring net and optimizer to where a checkpoint left them; return the metrics so far.

    Raises
    ------
    DataError
        If there is no checkpoint, or it belongs to a run with other options.
    """
    states, metrics = checkpoint.load(path)
    try:
        before, now = ({"data": m["data"], **m["config"]} for m in (metrics, fresh))
        differ = [f"{k} was {before[k]}, not {now[k]}" for k in now if k != "epochs" and before[k] != now[k]]
        done = len(metrics["history"])
        if not differ:
            net.load_state_dict(states["net"])
            optimizer.load_state_dict(states.get("optimizer", {}))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} holds no run of this program ({error}): run without --resume") from None
    if differ:
        raise DataError(
            f"{path} belongs to a run with other options ({'; '.join(differ)}): give the same ones to resume it"
        )
    if done > now["epochs"]:
        raise DataError(f"{path} is of epoch {done} already: give --epochs {done} or more to resume it")
    metrics["config"] = fresh["config"]
    return metrics


def parser() -> Parser:
    """Return the parser of the command's options; without any they are those of the reference run."""
    parser = Parser(
        prog="python -m models.mnist",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--epochs", type=whole(1), default=6, help="times every training digit is shown (%(default)s)")
    parser.add_argument("--batch-size", type=whole(1), default=100, help="digits a step (%(default)s)")
    parser.add_argument("--lr", type=positive, default=10**-0.35, help="learning rate (10^-0.35)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of the first weights and of --shuffle (%(default)s)")
    parser.add_argument("--shuffle", action="store_true", help="a new order every epoch, not that of the file")
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="of the weights (%(default)s)"
    )
    parser.add_argument("--hidden", type=whole(1), default=90, help="units of the hidden layer (%(default)s)")
    parser.add_argument(
        "--data",
        default="auto",
        metavar="auto|mnist|synthetic|DIR",
        help="MNIST if it can be had, else digits rendered here (auto); one of the two; or MNIST's files in a folder",
    )
    parser.add_argument(
        "--out", type=output_folder, default="runs/mnist", metavar="DIR", help="for results (%(default)s)"
    )
    parser.add_argument(
        "--jit",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compile the training step: it is faster, and computes the same but for rounding (--jit)",
    )
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --out")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 2 after an error, 130 after Ctrl-C."""
    args = parser().parse_args(arguments)
    try:
        return run(args)
    except (DataError, Diverged, OSError) as error:
        print(f"{parser().prog}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        say(f"interrupted outside of training. What was in {args.out} is kept")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
