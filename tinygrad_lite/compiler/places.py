"""Places that hold values: items of dictionaries and lists, closure cells, attributes.

A recording replaces values by tracers wherever the function finds them. `Place` gives all these places one interface:

>>> settings = {"lr": 0.1}
>>> place = Place(settings, "lr", "settings", "'lr'")
>>> place.set(0.2)
>>> place.text, settings
("settings['lr']", {'lr': 0.2})
"""

from __future__ import annotations

import dataclasses
from collections import deque
from types import CellType
from typing import Any

import numpy as np

EMPTY = object()  # stands for a missing value


@dataclasses.dataclass(eq=False)
class Place:
    """One place that holds a value.

    Attributes
    ----------
    holder : object
        The holder: a dictionary, list or deque, a closure cell, a class, or an object with attributes.
    key : object
        The key of an item, or the name of an attribute.
    holder_text : str
        The holder, as an expression.
    key_text : str
        The key, as an expression.
    """

    holder: Any
    key: Any
    holder_text: str
    key_text: str

    @property
    def text(self) -> str:
        """The expression for the value."""
        if isinstance(self.holder, type):
            return f"vars({self.holder_text})[{self.key_text}]"
        if _has_items(self.holder):
            return f"{self.holder_text}[{self.key_text}]"
        return f"{self.holder_text}.{self.key}"

    def get(self) -> Any:
        """Return the value, or `EMPTY` if there is none."""
        return fetch(self.holder, self.key)

    def set(self, value: Any) -> None:
        """Replace the value; `EMPTY` deletes it."""
        store(self.holder, self.key, value)


def _has_items(holder: Any) -> bool:
    return isinstance(holder, (dict, list, tuple, deque))


def fetch(holder: Any, key: Any) -> Any:
    """Return a holder's value for a key, or `EMPTY` if there is none."""
    try:
        if isinstance(holder, type):
            return vars(holder)[key]
        return holder[key] if _has_items(holder) else getattr(holder, key)
    except (LookupError, AttributeError, ValueError):  # an empty cell raises ValueError
        return EMPTY


def store(holder: Any, key: Any, value: Any) -> None:
    """Set a holder's value for a key; `EMPTY` deletes it."""
    if isinstance(holder, dict) or (_has_items(holder) and value is not EMPTY):
        if value is EMPTY:
            holder.pop(key, None)
        else:
            holder[key] = value
    elif isinstance(holder, (type, CellType)):
        delattr(holder, key) if value is EMPTY else setattr(holder, key, value)
    else:
        # Bypass the class's own __setattr__: that of a frozen dataclass would refuse.
        object.__delattr__(holder, key) if value is EMPTY else object.__setattr__(holder, key, value)


def slots_of(cls: type) -> list[str]:
    """Return the names of a class's slots, including inherited ones."""
    names: list[str] = []
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else [*slots]
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def contents(holder: Any) -> dict[Any, Any]:
    """Return all values of a holder, by key."""
    if isinstance(holder, dict):
        return dict(holder)
    if isinstance(holder, (list, deque)):
        return dict(enumerate(holder))
    if isinstance(holder, set):
        return dict.fromkeys(holder)
    if isinstance(holder, type):
        return {name: x for name, x in vars(holder).items() if not name.startswith("__")}
    return {name: getattr(holder, name) for name in slots_of(type(holder)) if hasattr(holder, name)}


def set_contents(holder: Any, items: dict[Any, Any]) -> None:
    """Replace all values of a holder; values for other keys are deleted."""
    if isinstance(holder, (list, deque, set)):
        holder.clear()
        (holder.update if isinstance(holder, set) else holder.extend)(
            items if isinstance(holder, set) else items.values()
        )
        return
    now = contents(holder)
    for key in now.keys() - items.keys():
        store(holder, key, EMPTY)
    for key, value in items.items():
        if now.get(key, EMPTY) is not value:
            store(holder, key, value)


def alike(a: Any, b: Any) -> bool:
    """Return True if plain values are interchangeable in a program: 1 and 1.0 are not, nor are 0.0 and -0.0."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return alike([*a], [*b]) and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple, deque)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, (set, frozenset)):
        return len(a) == len(b) and {*map(_key, a)} == {*map(_key, b)}
    if isinstance(a, (float, complex, np.inexact)):
        return repr(a) == repr(b)
    return bool(a == b)


def _key(x: Any) -> Any:
    """Return a key for an element of a set: equal for two elements exactly if they are alike."""
    if isinstance(x, (tuple, frozenset)):
        return type(x), type(x)(map(_key, x)) if type(x) in (tuple, frozenset) else x
    return type(x), repr(x) if isinstance(x, (float, complex, np.inexact)) else x
