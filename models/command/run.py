"""A run in progress, for the training loop `learn`: it yields the epochs, and saves and prints their results."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any

from tqdm import tqdm

import tinygrad_lite as tg
from tinygrad_lite.data import Batches, Digits, Split
from tinygrad_lite.parallel import World

from .folder import place_beside, results_in
from .messages import Diverged, advice_on_loss, say
from .model import Model
from .options import CONFIG, make_optimizer
from .record import Record
from .resume import resume


class Run:
    """One training of a model.

    Parameters
    ----------
    model, args, data, kind, world
        The model, the options, the data and their kind, such as ``"mnist"``, and the ranks that train together.
    """

    def __init__(self, model: Model, args: Namespace, data: Digits, kind: str, world: World) -> None:
        self.model, self.args, self.data, self.world = model, args, data, world
        of_data = model.of_data(data)
        self.net = model.new_net({**vars(args), **of_data}, rng=args.seed).to(args.device)
        self.optimizer = make_optimizer(self.net, args)
        train, order = data.train, (args.batch_size, args.shuffle, args.seed)
        targets = model.targets(train.labels, len(train.classes))
        batches = Batches(train.images, targets, *order, args.device, shard=world.shard, augment=model.augment)
        options = {name: getattr(args, name) for name in (*CONFIG, *model.options)}
        config = {"model": model.name, **options, **of_data}
        saved = args.out / f"checkpoint.{args.checkpoint_format}"
        state = (self.net, self.optimizer, batches)
        self.record = Record(saved, kind, config, *state, every=args.checkpoint_every, world=world)
        self.bar = tqdm(disable=True)
        self._advised = False

    def start(self) -> None:
        """Resume from the checkpoint or start anew; print which; evaluate the net; broadcast it to all ranks."""
        args, record, world = self.args, self.record, self.world
        resumed = args.resume and resume(record)
        replaced = world.call_on_first(lambda: place_beside(args.out) if not resumed and results_in(args.out) else None)
        self._first_loss, accuracy = self.evaluate(self.data.valid)
        if resumed:
            say(f"resuming after {record.place}", args.quiet)
        else:
            if args.resume:
                nothing = f"{args.out} holds no saved run to resume"
                say(f"starting anew: {nothing}", args.quiet)
            if replaced:
                kept = f"the earlier run in {args.out} is moved to {replaced} when this run first saves"
                say(kept if args.resume else f"starting anew: {kept} (--resume would continue it)", args.quiet)
            record.metrics["initial_valid_accuracy"] = accuracy
            say(f"validation accuracy before training: {accuracy:.4f}", args.quiet)
        world.broadcast(self.net)

    @property
    def steps(self) -> int:
        """The number of steps of the whole run."""
        return self.args.epochs * len(self.record.batches)

    def compiled(self, step: Any) -> Any:
        """Return a training step, compiled by `jit` unless the options disable it."""
        return tg.jit(step) if self.args.jit else step

    def epochs(self, rate: Callable[[int], float] | None = None) -> Iterator[Iterator[tuple[Any, Any]]]:
        """Yield the batches of each remaining epoch, with a progress bar, and with a save after steps that are due.

        Before each step the learning rate becomes ``rate(number of the step)``, if there is a schedule.
        """
        for epoch in range(self.record.epoch + 1, self.args.epochs + 1):
            batches, label = self.record.batches, f"epoch {epoch}/{self.args.epochs}"
            self.bar = tqdm(batches, label, initial=batches.position, unit="batch", disable=self.args.quiet)
            self.record.begin_epoch()
            yield self._steps(rate)

    def _steps(self, rate: Callable[[int], float] | None) -> Iterator[tuple[Any, Any]]:
        for batch in self.bar:
            if rate is not None:
                self.optimizer.lr = rate(self.record.batches.taken - 1)
            yield batch
            self.record.after_step()

    def evaluate(self, split: Split) -> tuple[float, float]:
        """Return the net's mean loss and accuracy over a split, of which each rank evaluates its rows."""
        rows = Split(*self.world.shard(split.images, split.labels))
        loss, accuracy = self.world.mean(self.model.evaluate(self.net, rows))
        return loss, accuracy

    def finish_epoch(self, train: tuple[float, float], valid: tuple[float, float]) -> None:
        """Save and print loss and accuracy of training and validation data; raise `Diverged` if one is not finite."""
        (train_loss, train_accuracy), (valid_loss, valid_accuracy) = train, valid
        if not math.isfinite(train_loss + valid_loss):
            raise Diverged(f"after this step the loss of all {self.model.sample}s is {train_loss + valid_loss}")
        history = self.record.metrics["history"]
        # The training loss is first known after the first epoch: until then compare validation losses.
        before, after = (history[-1]["train_loss"], train_loss) if history else (self._first_loss, valid_loss)
        self.record.finish_epoch(
            train_loss=train_loss,
            valid_loss=valid_loss,
            train_accuracy=train_accuracy,
            valid_accuracy=valid_accuracy,
        )
        of_train, of_valid = (f"loss {loss:.4f}, accuracy {accuracy:.4f}" for loss, accuracy in (train, valid))
        say(f"  train {of_train};  validation {of_valid}", self.args.quiet)
        advice = advice_on_loss(before, after)
        if advice and not self._advised:
            say(f"  epoch {self.record.epoch}: {advice}", self.args.quiet)
            self._advised = True
