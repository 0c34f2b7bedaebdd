"""Places that hold values: items of dictionaries and lists, closure cells, attributes.

A recording replaces values by tracers wherever the function finds them. `Place` gives all these places one interface:

>>> settings = {"lr": 0.1}
>>> place = Place(settings, "lr", "settings", "'lr'", "settings.lr")
>>> place.set(0.2)
>>> place.text, settings
("settings['lr']", {'lr': 0.2})
"""

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from collections.abc import Iterator
from types import MemberDescriptorType
from typing import Any

EMPTY = object()  # stands for a missing value
GIVEN = ("args", "kwargs")  # the expressions of arguments, and of their parts, begin so


@dataclasses.dataclass(eq=False)
class Place:
    """One place that holds a value.

    Attributes
    ----------
    holder : object
        The holder: a dictionary, list, deque or tuple, a closure cell, a class, or an object with attributes.
    key : object
        The key of an item, or the name of an attribute.
    holder_text : str
        The holder, as an expression, or the view of a class's attributes; empty for the jitted function itself, which
        needs no guard.
    key_text : str
        The key, as an expression.
    path : str
        The value's name for the user, such as ``net.hidden.weight``.
    of_optimizer : bool
        True for the options and the state of an optimizer.
    outer : list of Place or None
        The places of the holder if it is immutable, a tuple or a bound method: another holder must be put there.
    """

    holder: Any
    key: Any
    holder_text: str
    key_text: str
    path: str
    of_optimizer: bool = False
    outer: list[Place] | None = None

    @property
    def text(self) -> str:
        """The expression for the value."""
        if _has_items(self.holder) or isinstance(self.holder, type):
            return f"{self.holder_text}[{self.key_text}]"
        return f"{self.holder_text}.{self.key}"

    @property
    def is_given(self) -> bool:
        """True for an argument, and for a part of one."""
        return self.holder_text.startswith(GIVEN)

    @property
    def is_fixed(self) -> bool:
        """True if it holds the same value as long as its holder is the same, which is guarded."""
        return not self.holder_text or (self.outer is not None and not self.is_given)

    @property
    def mutable(self) -> Iterator[Place]:
        """The places that change when this one does: itself, or for a part of a tuple those that hold the tuple."""
        if self.outer is None:
            yield self
        for place in self.outer or ():
            yield from place.mutable

    def get(self) -> Any:
        """Return the value, or `EMPTY` if there is none."""
        try:
            if isinstance(self.holder, type):
                return vars(self.holder)[self.key]
            return self.holder[self.key] if _has_items(self.holder) else getattr(self.holder, self.key)
        except (LookupError, AttributeError, ValueError):  # an empty cell raises ValueError
            return EMPTY

    def set(self, value: Any) -> None:
        """Replace the value; `EMPTY` deletes it."""
        if self.outer is None:
            store(self.holder, self.key, value)
        for place in self.outer or ():
            place.set(_with_part(place.get(), self.key, value))


def _has_items(holder: Any) -> bool:
    return isinstance(holder, (dict, list, tuple, deque))


def _with_part(whole: Any, key: Any, part: Any) -> Any:
    """Return a tuple with another item, or a bound method with another object."""
    if key == "__self__":
        return getattr(part, whole.__name__)
    if not isinstance(whole, tuple):
        return type(whole)(part)
    parts = [*whole[:key], part, *whole[key + 1 :]]
    return type(whole)._make(parts) if hasattr(whole, "_make") else type(whole)(parts)


def store(holder: Any, key: Any, value: Any) -> None:
    """Set a holder's value for a key; `EMPTY` deletes it."""
    if isinstance(holder, functools.partial):
        parts = {"func": holder.func, "args": holder.args, "keywords": holder.keywords, key: value}
        setstate: Any = holder.__setstate__  # type: ignore[attr-defined]
        setstate((parts["func"], parts["args"], parts["keywords"], vars(holder)))
    elif _has_items(holder):
        if value is EMPTY:
            holder.pop(key, None)
        else:
            holder[key] = value
    else:
        # Bypass the class's own __setattr__: that of a frozen dataclass would refuse.
        of: Any = type if isinstance(holder, type) else object
        of.__delattr__(holder, key) if value is EMPTY else of.__setattr__(holder, key, value)


def contents(holder: Any) -> dict[Any, Any]:
    """Return all values of a holder, by key."""
    if isinstance(holder, dict):
        return dict(holder)
    if isinstance(holder, (list, deque)):
        return dict(enumerate(holder))
    if isinstance(holder, set):
        return {x: x for x in holder}
    if isinstance(holder, type):
        return {name: x for name, x in vars(holder).items() if not name.startswith("__")}
    return {name: getattr(holder, name) for name in slots_of(type(holder)) if hasattr(holder, name)}


def set_contents(holder: Any, items: dict[Any, Any]) -> None:
    """Replace all values of a holder; values for other keys are deleted."""
    if isinstance(holder, (list, deque, set)):
        holder.clear()
        (holder.update if isinstance(holder, set) else holder.extend)(items.values())
    else:
        before = contents(holder)
        for key in before | items:
            if before.get(key, EMPTY) is not items.get(key, EMPTY):
                store(holder, key, items.get(key, EMPTY))


def slots_of(cls: type) -> list[str]:
    """Return the names of a class's slots, including inherited ones."""
    bases = [vars(base) for base in cls.__mro__ if "__slots__" in vars(base)]
    return [name for values in bases for name, x in values.items() if isinstance(x, MemberDescriptorType)]
