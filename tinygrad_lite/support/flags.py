"""Flags that ``with`` blocks set, such as the one of `no_grad`: in the current thread and asynchronous task only.

`contextlib.contextmanager` would do for blocks that end in the reverse order of their beginning. Blocks in generators
that take turns do not; nor would it carry a flag through a decorated generator or coroutine, whose body runs later.
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
        What it is called where it is shown.
    default : object
        Its value outside of all blocks.

    Attributes
    ----------
    get : callable
        Returns the value in the current thread and task.
    open : list of Block
        The blocks that are open in all threads: quicker to look at than the value. No lock guards it, since a signal
        handler or a forked child could wait for one for ever; a list's own methods need none.
    """

    __slots__ = ("_blocks", "_default", "_value", "get", "open")

    def __init__(self, name: str, default: Any) -> None:
        self._default = default
        self._value: ContextVar[Any] = ContextVar(name, default=default)
        self._blocks: ContextVar[tuple[Block, ...]] = ContextVar(f"{name}_blocks", default=())
        self.get = self._value.get
        self.open: list[Block] = []

    def enter(self, block: Block) -> None:
        """Let a block set the flag."""
        self.open.append(block)
        self._set((*self._blocks.get(), block))

    def leave(self, block: Block) -> None:
        """End a block, which need not be the one that began last: the flag is what the last of the others says."""
        self.open.remove(block)
        blocks = self._blocks.get()
        last = max((i for i, other in enumerate(blocks) if other is block), default=None)
        if last is not None:  # a generator may be closed in another context than it ran in
            self._set(blocks[:last] + blocks[last + 1 :])

    def _set(self, blocks: tuple[Block, ...]) -> None:
        self._blocks.set(blocks)
        self._value.set(self._said_by(blocks) if blocks else self._default)

    def _said_by(self, blocks: tuple[Block, ...]) -> Any:
        return blocks[-1].value


class Block:
    """What sets a flag: a context manager, to be used as often as one likes, and a decorator.

    Parameters
    ----------
    flag : Flag
        What to set.
    value : object
        What to set it to.
    """

    __slots__ = ("_flag", "value")

    def __init__(self, flag: Flag, value: Any) -> None:
        self._flag, self.value = flag, value

    def __enter__(self) -> None:
        self._flag.enter(self)

    def __exit__(self, *error: object) -> None:
        self._flag.leave(self)

    def __call__(self, function: F) -> F:
        """Return the function with the flag set while its body runs: also that of a generator or a coroutine."""
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
        """Run a generator with the flag set during each of its steps, and not in between."""
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
        """Do the same for an asynchronous generator."""
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
