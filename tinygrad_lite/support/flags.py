"""Flags that a ``with`` block sets, such as that of `no_grad`, for the current thread and asynchronous task only.

`contextlib.contextmanager` is not enough, for two reasons. Generators that take turns can close their blocks in another
order than the reverse one. And the body of a decorated generator or coroutine runs after the call of the function.

Examples
--------
>>> flag = Flag("verbose", default=False)
>>> with Block(flag, True):
...     flag.get()
True
>>> flag.get()
False
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class Flag:
    """A flag, and the blocks that set it.

    Parameters
    ----------
    name : str
        The name of its context variable.
    default : object
        The value outside of all blocks.

    Attributes
    ----------
    get : callable
        Returns the value in the current thread and task.
    open : list of Block
        The open blocks of all threads. An empty list, which is quick to check, means that the flag is set nowhere. No
        lock guards the list: a signal handler or a forked child could wait for it for ever, and the methods of a list
        are safe without one.
    """

    __slots__ = ("_blocks", "_default", "_value", "get", "open")

    def __init__(self, name: str, default: Any) -> None:
        self._default = default
        self._value: ContextVar[Any] = ContextVar(name, default=default)
        self._blocks: ContextVar[tuple[Block, ...]] = ContextVar(f"{name}_blocks", default=())
        self.get = self._value.get
        self.open: list[Block] = []

    def enter(self, block: Block) -> None:
        """Set the flag to the value of a block."""
        self.open.append(block)
        self._set((*self._blocks.get(), block))

    def leave(self, block: Block) -> None:
        """End a block, not necessarily the innermost one; the flag gets the value of the innermost that is left."""
        self.open.remove(block)
        blocks = self._blocks.get()
        last = max((i for i, other in enumerate(blocks) if other is block), default=None)
        if last is not None:  # a generator may be closed in another context than that of its steps
            self._set(blocks[:last] + blocks[last + 1 :])

    def _set(self, blocks: tuple[Block, ...]) -> None:
        self._blocks.set(blocks)
        self._value.set(self._said_by(blocks) if blocks else self._default)

    def _said_by(self, blocks: tuple[Block, ...]) -> Any:
        return blocks[-1].value


class Block:
    """A reusable context manager and decorator that sets a flag.

    Parameters
    ----------
    flag : Flag
        The flag to set.
    value : object
        The value in the block.
    """

    __slots__ = ("_flag", "value")

    def __init__(self, flag: Flag, value: Any) -> None:
        self._flag, self.value = flag, value

    def __enter__(self) -> None:
        self._flag.enter(self)

    def __exit__(self, *error: object) -> None:
        self._flag.leave(self)

    def __call__(self, function: F) -> F:
        """Return the function with the flag set while its body runs, also for generators and coroutines."""
        if inspect.isgeneratorfunction(function):

            @wraps(function)
            def run(*args: Any, **kwargs: Any) -> Any:
                return self._steps(function(*args, **kwargs))

        elif inspect.isasyncgenfunction(function):

            @wraps(function)
            def run(*args: Any, **kwargs: Any) -> Any:
                return self._async_steps(function(*args, **kwargs))

        elif inspect.iscoroutinefunction(function):

            @wraps(function)
            async def run(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

        else:

            @wraps(function)
            def run(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return function(*args, **kwargs)

        return run  # type: ignore[return-value]

    def _steps(self, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Run a generator with the flag set during each of its steps, but not between them."""
        step: Callable[[], Any] = partial(next, generator)
        while True:
            try:
                with self:
                    item = step()
            except StopIteration as end:
                return end.value
            try:
                step = partial(generator.send, (yield item))
            except GeneratorExit:
                with self:
                    generator.close()
                raise
            except BaseException as error:
                step = partial(generator.throw, error)

    async def _async_steps(self, generator: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
        """Run an asynchronous generator as `_steps` runs a generator."""
        step: Callable[[], Any] = generator.__anext__
        while True:
            try:
                with self:
                    item = await step()
            except StopAsyncIteration:
                return
            try:
                step = partial(generator.asend, (yield item))
            except GeneratorExit:
                with self:
                    await generator.aclose()
                raise
            except BaseException as error:
                step = partial(generator.athrow, error)
