"""A small net learns to classify points on two half-moons: the smallest complete model."""

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import trange

import tinygrad_lite as tg
from models.command import Parser, path_to, positive, reserved, whole
from models.command.messages import Diverged, advice_on_loss, expect_finite, failed, say
from tinygrad_lite import nn, optim, plot
from tinygrad_lite.nn.functional import accuracy, cross_entropy, softmax

FRAMES = 20  # of the film of the boundary, at most, before the last one


class Net(nn.Module):
    """A net that maps points (n, 2) to scores, or logits, of the two classes (n, 2)."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.hidden = nn.Linear(2, 32, rng=rng)
        self.output = nn.Linear(32, 2, rng=rng)

    def forward(self, points: Any) -> tg.Tensor:
        return self.output(self.hidden(points).tanh())


def moons(n: int, noise: float, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return noisy points (n, 2) on two interleaved half-circles, and their labels (n,): the half-circle of each."""
    labels = rng.integers(0, 2, n)
    angle = rng.uniform(0, np.pi, n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    points = np.where(labels[:, None] == 0, upper, lower) + rng.normal(0, noise, (n, 2))
    return points.astype(np.float32), labels


def run(args: argparse.Namespace) -> None:
    """Train on some points, test on others, and draw the decision boundary."""
    rng = np.random.default_rng(args.seed)
    points, labels = moons(args.points, args.noise, rng)
    test_points, test_labels = moons(args.points, args.noise, rng)
    net = Net(rng)
    optimizer = optim.Adam(net.parameters(), args.lr)

    @tg.no_grad()
    def picture(title: str) -> Any:
        return plot.boundary(lambda xy: softmax(net(xy)).numpy()[:, 1], points, labels, title)

    before = cross_entropy(net(points), labels).item()
    film = []
    for step in trange(args.steps, desc="moons", unit="step", disable=args.quiet):
        if args.animate and step % math.ceil(args.steps / FRAMES) == 0:
            film.append(picture(f"Two half-moons after {step} steps"))
        loss = cross_entropy(net(points), labels)
        expect_finite(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    with tg.no_grad():
        loss = cross_entropy(net(points), labels)
        reached = accuracy(net(test_points), test_labels)
    figure = picture(f"Two half-moons: {reached:.1%} of {args.points} new points classified correctly")
    path = args.out / "boundary.png"
    plot.save(figure, path)
    if film:
        plot.animate([*film, figure], path.with_suffix(".gif"))
        say(f"how it forms is in {path.with_suffix('.gif')}", args.quiet)
    say(f"loss {loss:.4f}, test accuracy {reached:.4f}  (the boundary is in {path})", args.quiet)
    advice = advice_on_loss(before, loss.item())
    if advice:
        say(advice, args.quiet)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 2 after an error, 130 after Ctrl-C."""
    parser = Parser(prog="python -m models.moons", description=__doc__)
    parser.add_argument("--steps", type=whole(1), default=400, help="number of updates of the weights (%(default)s)")
    parser.add_argument("--lr", type=positive, default=0.02, help="learning rate (%(default)s)")
    parser.add_argument("--points", type=whole(2), default=400, help="to train with, and as many to test (%(default)s)")
    parser.add_argument("--noise", type=positive, default=0.15, help="standard deviation of the scatter (%(default)s)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of the points and the initial weights (%(default)s)")
    parser.add_argument(
        "--out", type=path_to("a folder"), default="runs/moons", metavar="DIR", help="folder for results (%(default)s)"
    )
    parser.add_argument("--animate", action="store_true", help="write boundary.gif too: the boundary as it forms")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    args = parser.parse_args(arguments)
    try:
        # NumPy need not warn of an overflow: it shows in the loss, which every step checks.
        with reserved(args.out), np.errstate(all="ignore"):
            run(args)
    except Diverged as error:
        return failed(parser.prog, f"{error}: try a lower --lr or --noise")
    except OSError as error:
        return failed(parser.prog, error)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
