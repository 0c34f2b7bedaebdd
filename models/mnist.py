"""A net of 784, 90 and 10 units that learns to read handwritten digits.

Its activations are identity, ReLU and softmax. It is trained with the squared loss by stochastic gradient descent:
6 epochs, batches of 100, a learning rate of 10^-0.35. About 96.7 % of the test digits are read right after it.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import tinygrad_lite as tg
from models.command import Parser, folder, fraction, meant, of_a_loss_that_did_not_fall, one_of, positive, say, whole
from models.folder import place_beside, reserved, results_in
from models.results import Run
from tinygrad_lite import DataError, DeviceError, MissingExtra, checkpoint, nn, optim, parallel, plot
from tinygrad_lite.data import Batches, DataUnavailable, Digits, Split, load_mnist, load_synthetic
from tinygrad_lite.nn.functional import accuracy, one_hot, squared_loss
from tinygrad_lite.parallel import INTERRUPTED, World
from tinygrad_lite.support.devices import MODULES

CLASSES = 10
ALONE = World()  # this process, without others
CONFIG = ("epochs", "batch_size", "optimizer", "lr", "momentum", "seed", "shuffle", "dtype", "hidden")
LR = {"sgd": 10**-0.35, "adam": optim.LR}  # the learning rates, by optimizer


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


def training_step(net: Net, optimizer: optim.Optimizer, world: World = ALONE) -> Step:
    """Return the function that goes down the gradient of one batch, and returns the loss before."""

    def step(images: Any, targets: Any) -> tg.Tensor:
        loss = squared_loss(net(images), targets)
        optimizer.zero_grad()
        loss.backward()
        loss = world.average(loss, optimizer.params)
        optimizer.step()
        return loss

    return step


def train(
    step: Step,
    batches: Iterable[tuple[Any, Any]],
    world: World = ALONE,
    after_step: Callable[[], None] | None = None,
) -> None:
    """Show the net every sample once, a batch at a time."""
    for images, targets in batches:
        loss = step(*world.shard(images, targets)).item()
        if not math.isfinite(loss):
            raise Diverged(f"the loss is {loss}")
        if after_step is not None:
            after_step()


@tg.no_grad()
def evaluate(net: Net, split: Split, world: World = ALONE) -> tuple[float, float]:
    """Return the loss, as a mean over the samples, and the accuracy."""
    images, labels = world.shard(split.images, split.labels)
    loss = right = 0.0
    # In parts that fit the processor's cache.
    for part, part_labels in Batches(images, labels, 2_000, device=net.output.weight.device):
        p = net(part)
        loss += squared_loss(p, one_hot(part_labels, CLASSES)).item() * len(part)
        right += accuracy(p, part_labels) * len(part)
    mean_loss, mean_right = world.mean([loss / len(images), right / len(images)])
    return mean_loss, mean_right


def learn(
    run: Run, net: Net, step: Step, data: Digits, args: argparse.Namespace, world: World, valid_loss: float
) -> None:
    """Train the epochs that are left, judging and saving after each; `valid_loss` is that before.

    Raises
    ------
    Diverged
        As soon as a loss is not finite: says where, and which parameter is not.
    """
    batches, advice = run.batches, ""
    for epoch in range(run.epoch + 1, args.epochs + 1):
        label = f"epoch {epoch}/{args.epochs}"
        bar = tqdm(batches, label, initial=batches.position, unit="batch", disable=args.quiet)
        run.begin_epoch()
        # The loss of the training digits is known only from the end of the first epoch on.
        of_training = bool(run.epoch)
        before = run.metrics["history"][-1]["train_loss"] if of_training else valid_loss
        try:
            # What overflows shows in the loss, which is checked at every step and after the last.
            with bar, np.errstate(all="ignore"):
                train(step, bar, world, run.after_step)
                train_loss, train_accuracy = evaluate(net, data.train, world)
                valid_loss, valid_accuracy = evaluate(net, data.valid, world)
            if not math.isfinite(train_loss + valid_loss):
                raise Diverged(f"after it the loss of all digits is {train_loss + valid_loss}")
        except Diverged as reason:
            step_number = run.position or len(batches)
            raise Diverged(f"epoch {epoch}, step {step_number}: {reason}, {_first_not_finite(net)}") from None
        run.finish_epoch(
            train_loss=train_loss,
            valid_loss=valid_loss,
            train_accuracy=train_accuracy,
            valid_accuracy=valid_accuracy,
        )
        say(
            f"  train loss {train_loss:.4f}, accuracy {train_accuracy:.4f};  "
            f"validation loss {valid_loss:.4f}, accuracy {valid_accuracy:.4f}",
            args.quiet,
        )
        if not advice:  # once is enough
            advice = of_a_loss_that_did_not_fall(before, train_loss if of_training else valid_loss)
            if advice:
                say(f"  epoch {epoch}: {advice}", args.quiet)


def _first_not_finite(net: Net) -> str:
    for name, parameter in net.named_parameters():
        if not np.isfinite(parameter.numpy()).all():
            return f"and the first parameter that is not finite is {name}"
    return "though every parameter is finite"


def run(args: argparse.Namespace, world: World = ALONE) -> int:
    """Train as the options say, write the results, return the exit status."""
    tg.set_default_dtype(args.dtype)
    plot.prepare()
    if world.size > 1 and args.device != "cpu":
        raise DeviceError(f"several ranks train on the CPU: leave out --device {args.device}, or mpiexec")
    checkpoint.check_format(args.out / f"checkpoint.{args.checkpoint_format}")
    args.quiet = args.quiet or not world.is_first
    data, kind = world.first_before_others(lambda: load_data(args.data, args.quiet))
    net = Net(args.hidden, rng=args.seed).to(args.device)
    optimizer = make_optimizer(net, args)
    targets = one_hot(data.train.labels, CLASSES)
    batches = Batches(data.train.images, targets, args.batch_size, args.shuffle, args.seed, args.device)
    step = training_step(net, optimizer, world)
    if args.jit:
        step = tg.jit(step)

    config = {name: getattr(args, name) for name in CONFIG}
    so_far = Run(
        args.out,
        kind,
        config,
        net,
        optimizer,
        batches,
        suffix=f".{args.checkpoint_format}",
        every=args.checkpoint_every,
        is_first=world.is_first,
    )
    resumed = args.resume and so_far.load(world)
    replaced = world.of_first(lambda: place_beside(args.out) if not resumed and results_in(args.out) else None)
    valid_loss, valid_accuracy = evaluate(net, data.valid, world)
    if resumed:
        say(f"resuming after {so_far.place}", args.quiet)
    else:
        if args.resume:
            say(f"starting anew: no run has saved anything in {args.out} yet, so there is none to resume", args.quiet)
        if replaced:
            kept = f"the run in {args.out} goes to {replaced} when this one first saves"
            say(kept if args.resume else f"starting anew: {kept} (--resume would continue it)", args.quiet)
        so_far.metrics["initial_valid_accuracy"] = valid_accuracy
        say(f"validation accuracy before training: {valid_accuracy:.4f}", args.quiet)
    world.broadcast(net)

    stopped: BaseException | None = None
    try:
        learn(so_far, net, step, data, args, world, valid_loss)
    except (Diverged, KeyboardInterrupt) as reason:
        if isinstance(reason, KeyboardInterrupt) and world.size > 1:
            raise  # the ranks are at different steps, and cannot finish together
        stopped = reason
        if so_far.is_saved:
            # What was broken off has moved the weights: the results are those of the last checkpoint.
            so_far.load(world)
    kept = "Nothing was written"
    if so_far.is_saved:
        kept = f"The results of {so_far.place} are kept in {args.out}"
        try:
            report(so_far, net, data, world)
        except KeyboardInterrupt:
            say("interrupted while the results were written: --resume writes them again")
            return INTERRUPTED
    if isinstance(stopped, Diverged):
        raise Diverged(f"{stopped}. {kept}. Try a lower --lr")
    if stopped is not None:
        say(f"interrupted. {kept}")
        return INTERRUPTED
    say(f"test accuracy: {so_far.metrics['test_accuracy']:.4f}  (results are in {args.out})", args.quiet)
    return 0


def make_optimizer(net: Net, args: argparse.Namespace) -> optim.Optimizer:
    """Return the optimizer that the options name."""
    if args.optimizer == "adam":
        return optim.Adam(net.parameters(), args.lr)
    return optim.SGD(net.parameters(), args.lr, args.momentum)


def load_data(source: str, quiet: bool = False) -> tuple[Digits, str]:
    """Return the digits that ``--data`` names, and what they are: ``"mnist"`` or ``"synthetic"``."""
    if source == "synthetic":
        return load_synthetic(), source
    if source == "mnist":
        return load_mnist(), source
    if source != "auto":
        if not (source and Path(source).is_dir()):
            near = meant(source, ("auto", "mnist", "synthetic"))
            raise DataError(f"--data takes auto, mnist, synthetic or a folder, and there is no folder {source!r}{near}")
        return load_mnist(source), "mnist"
    try:
        return load_mnist(), "mnist"
    except DataUnavailable as error:
        say(f"{error}\nTraining on synthetic digits instead, which are rendered here.", quiet)
        return load_synthetic(), "synthetic"


def report(run: Run, net: Net, data: Digits, world: World = ALONE) -> None:
    """Judge the net by the test digits; write the metrics and the figures."""
    test = data.test
    run.metrics["test_accuracy"] = evaluate(net, test, world)[1]
    run.write_metrics()
    if world.is_first and run.epoch:
        run.write_figures(test, probabilities(net, test.images).argmax(axis=1), net.hidden.weight.numpy())


@tg.no_grad()
def probabilities(net: Net, images: Any) -> Any:
    """Return what the net thinks of images (n, 784): the probabilities of the ten digits (n, 10)."""
    parts = Batches(images, images, 2_000, device=net.output.weight.device)
    return np.concatenate([net(part).numpy() for part, _ in parts])


def parser() -> Parser:
    """Return the parser of the command's options; without any they are those of the reference run."""
    parser = Parser(
        commands=("predict",),
        prog="python -m models.mnist",
        description=__doc__,
        epilog="python -m models.mnist predict IMAGE… reads photographs of digits with the net that was trained.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--epochs", type=whole(1), default=6, help="times every training digit is shown (%(default)s)")
    parser.add_argument("--batch-size", type=whole(1), default=100, help="digits a step (%(default)s)")
    parser.add_argument("--optimizer", **one_of(*LR), default="sgd", help="how weights follow gradients (%(default)s)")
    parser.add_argument("--lr", type=positive, help="learning rate (10^-0.35; of adam 0.001)")
    parser.add_argument("--momentum", type=fraction, default=0.0, help="of sgd: the share of a step that is kept (0)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of the first weights and of --shuffle (%(default)s)")
    parser.add_argument("--shuffle", action="store_true", help="a new order every epoch, not that of the file")
    parser.add_argument(
        "--dtype", **one_of("float32", "float64"), default="float32", help="of the weights (%(default)s)"
    )
    parser.add_argument(
        "--hidden", type=whole(1, 1_000_000), default=90, help="units of the hidden layer (%(default)s)"
    )
    parser.add_argument(
        "--data",
        default="auto",
        metavar="auto|mnist|synthetic|DIR",
        help="MNIST if it can be had, else digits rendered here (auto); one of the two; or MNIST's files in a folder",
    )
    parser.add_argument("--out", type=folder, default="runs/mnist", metavar="DIR", help="for results (%(default)s)")
    parser.add_argument(
        "--jit",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compile the training step: it is faster, and computes the same but for rounding (--jit)",
    )
    parser.add_argument("--device", **one_of(*MODULES), default="cpu", help="where to compute (%(default)s)")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --out, if there is one")
    parser.add_argument(
        "--checkpoint-every", type=whole(1), metavar="N", help="save every N steps, not only after each epoch"
    )
    parser.add_argument(
        "--checkpoint-format",
        **one_of(*(suffix.removeprefix(".") for suffix in checkpoint.FORMATS)),
        default="npz",
        help="of the checkpoint (%(default)s)",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command's options."""
    args = parser().parse_args(arguments)
    if args.momentum and args.optimizer != "sgd":
        parser().error(f"argument --momentum: {args.optimizer} has none, sgd has")
    if args.lr is None:
        args.lr = LR[args.optimizer]
    return args


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 2 after an error, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    mistakes = (DataError, DeviceError, Diverged, MissingExtra, OSError)
    if arguments[:1] == ["predict"]:
        from models.predict import predict  # which needs this module

        return predict(arguments[1:])
    try:
        with parallel.world(mistakes) as world:
            args = world.of_first(lambda: options(arguments))
            with reserved(args.out) if world.is_first else nullcontext():
                return run(args, world)
    except (*mistakes, MemoryError) as error:
        advice = ": try a smaller --hidden or --batch-size" if isinstance(error, MemoryError) else ""
        print(f"{parser().prog}: {error}{advice}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        say("interrupted outside of training. What was there before is kept")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
