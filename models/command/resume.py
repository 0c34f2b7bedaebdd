"""Resuming a run from its checkpoint, after the check that its options are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinygrad_lite import DataError, checkpoint

from .checkpoints import checkpoints_in
from .record import Record

UNLIKE = ("epochs", "checkpoint_format")  # the options that may differ between the two runs


def resume(record: Record) -> bool:
    """Restore a run from its checkpoint, which the first rank reads for all ranks.

    Returns
    -------
    bool
        False if there is no checkpoint, because the run stopped before it first saved.

    Raises
    ------
    DataError
        If the checkpoint belongs to a run with other options, to one that is past ``--epochs``, or to no run of this
        program, or if only a checkpoint of another format is there.
    """
    path = record.checkpoint
    found = record.world.call_on_first(lambda: _read(path))
    if found is None:
        return False
    states, facts = found
    try:
        before, now = ({"data": m["data"], **m["config"]} for m in (facts, record.metrics))
        alike = now.keys() & before.keys() - {*UNLIKE}
        differ = [f"{k} was {before[k]}, not {now[k]}" for k in now if k in alike and before[k] != now[k]]
        if not differ:
            record.net.load_state_dict(states["net"])
            record.optimizer.load_state_dict(states.get("optimizer", {}))
            record.net.load_random_state(facts["random"])
            record.batches.load_state_dict(facts["batches"])
            record.spent = facts["spent"]
            record.metrics |= {name: facts[name] for name in record.metrics if name != "config"}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} holds no run of this program ({error}): run without --resume") from None
    if differ:
        raise DataError(
            f"{path} belongs to a run with other options ({'; '.join(differ)}): give the same options to resume it, "
            "or leave out --resume to start anew"
        )
    begun = record.epoch + (record.position > 0)
    if begun > record.metrics["config"]["epochs"]:
        raise DataError(f"{path} has already reached {record.place}: give --epochs {begun} or more to resume it")
    record.is_saved = True
    return True


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the states and the facts in a checkpoint; None if there is no checkpoint yet."""
    others = [other for other in checkpoints_in(path.parent) if other != path]
    if others and not path.exists():
        raise DataError(
            f"{path} does not exist, but {others[0].name} does: give the --checkpoint-format of that file to resume it"
        )
    if not (path.exists() or checkpoint.previous(path).exists()):
        return None
    try:
        return checkpoint.load(path)
    except DataError as error:
        raise DataError(f"{error}. Run without --resume to start anew") from None
