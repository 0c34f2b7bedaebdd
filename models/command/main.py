"""The command of a model: it trains as the options say, turns errors into one line, and returns an exit status."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import DataError, DeviceError, MissingExtra, checkpoint, parallel, plot
from tinygrad_lite.parallel import INTERRUPTED, World

from .lock import reserved
from .messages import Diverged, failed, first_not_finite, say
from .model import Model
from .options import read_options
from .resume import resume
from .run import Run

MISTAKES = (DataError, DeviceError, Diverged, MissingExtra, OSError)  # of the user, shown without a traceback


def run_command(model: Model, arguments: Sequence[str] | None = None) -> int:
    """Run the command of a model; return its exit status: 0, 2 after an error, 130 after Ctrl-C."""
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    try:
        if given and given[0] in model.commands:
            return model.commands[given[0]](model, given[1:])
        with parallel.world(MISTAKES) as world:
            args = world.call_on_first(lambda: read_options(model, given))
            with reserved(args.out) if world.is_first else nullcontext():
                return train(model, args, world)
    except MISTAKES as error:
        return failed(model.prog, error)
    except MemoryError as error:
        larger = " or ".join(f"--{name.replace('_', '-')}" for name in (*model.options, "batch_size"))
        return failed(model.prog, f"{error}: try a smaller {larger}")
    except KeyboardInterrupt:
        say("interrupted outside of training. The files of earlier runs are unchanged")
        return INTERRUPTED


def train(model: Model, args: Namespace, world: World) -> int:
    """Train as the options say, write the results, return the exit status."""
    run = prepared(model, args, world)
    record = run.record
    run.start()
    stopped: BaseException | None = None
    try:
        learn(run)
    except Diverged as reason:
        stopped = reason
    except KeyboardInterrupt as reason:
        if world.size > 1:
            raise  # the ranks may be at different steps, and cannot finish together
        stopped = reason
    kept = "Nothing was written"
    if record.is_saved:
        if stopped is not None:
            resume(record)  # the weights have changed since the checkpoint, whose results are reported
        kept = f"The results of {record.place} are kept in {args.out}"
        try:
            report(run)
        except KeyboardInterrupt:
            say("interrupted while the results were written: --resume writes them again")
            return INTERRUPTED
    if isinstance(stopped, Diverged):
        raise Diverged(f"{stopped}. {kept}. Try a lower --lr")
    if stopped is not None:
        say(f"interrupted. {kept}")
        return INTERRUPTED
    say(f"test accuracy: {record.metrics['test_accuracy']:.4f}  (results are in {args.out})", args.quiet)
    if caution := model.caution(record.metrics["data"]):
        say(caution, args.quiet)
    return 0


def learn(run: Run) -> None:
    """Train for the remaining epochs; a `Diverged` says where it arose: the epoch, the step, and the parameter."""
    try:
        # NumPy need not warn of an overflow: it shows in the loss, which is checked at every step and after the last.
        with np.errstate(all="ignore"):
            run.model.learn(run.net, run.optimizer, run)
    except Diverged as reason:
        place = f"epoch {run.record.epoch + 1}, step {run.record.position or len(run.record.batches)}"
        raise Diverged(f"{place}: {reason}, {first_not_finite(run.net)}", place=place) from None
    finally:
        run.bar.close()


def prepared(model: Model, args: Namespace, world: World) -> Run:
    """Return a new run for the options; impossible ones raise an error before any data are loaded."""
    tg.set_default_dtype(args.dtype)
    plot.prepare()
    if world.size > 1 and args.device != "cpu":
        raise DeviceError(f"several ranks train on the CPU only: leave out --device {args.device}, or mpiexec")
    checkpoint.check_format(args.out / f"checkpoint.{args.checkpoint_format}")
    args.quiet = args.quiet or not world.is_first
    data, kind = world.first_before_others(lambda: model.load(args))
    return Run(model, args, data, kind, world)


def report(run: Run) -> None:
    """Evaluate the net on the test data; write the metrics and the pictures."""
    record = run.record
    test(run)
    if run.world.is_first and record.epoch:
        for name, figure in run.model.figures(run).items():
            plot.save(figure, record.folder / f"{name}.png")


def test(run: Run) -> None:
    """Evaluate the net on the test data; write the metrics."""
    run.record.metrics["test_accuracy"] = run.evaluate(run.data.test)[1]
    run.record.write_metrics()
