"""Write figures to files, whole or not at all, as PNG pictures and animated GIFs, and show them on the screen."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

from ..support.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def prepare() -> None:
    """Import matplotlib in a thread, so that the first figure of a run need not wait for the import.

    Examples
    --------
    >>> tg.plot.prepare()  # and train meanwhile
    """
    Thread(target=_import_matplotlib, daemon=True).start()


def _import_matplotlib() -> None:
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401


def png(figure: Figure, dpi: float | Literal["figure"] = "figure") -> bytes:
    """Return a figure as the bytes of a PNG file."""
    content = io.BytesIO()
    # Level 1 takes a third of the time of the default level, and gives files an eighth larger.
    figure.savefig(content, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    return content.getvalue()


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as a PNG file, which appears complete or not at all.

    Parameters
    ----------
    figure
        Any matplotlib figure.
    path
        The file, whose name ends in ``.png``. It is replaced if it exists; its folder must exist.

    Raises
    ------
    TypeError
        If the first argument is not a figure.
    ValueError
        If the name has another ending.
    OSError
        If the file cannot be written. An existing file stays as it was.

    Examples
    --------
    >>> figure = tg.plot.confusion(labels=[0, 1, 1], predictions=[0, 1, 0], classes=2)
    >>> tg.plot.save(figure, "confusion.png")
    """
    if not hasattr(figure, "savefig"):
        raise TypeError(f"the first argument must be a figure, not a {type(figure).__name__}: save(figure, path)")
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(
            f"{path}: save writes PNG files: name it {path.with_suffix('.png')}, or use figure.savefig(path)"
        )
    write_atomically(path, png(figure))


def animate(figures: Iterable[Figure], path: str | os.PathLike[str], seconds: float = 0.2) -> None:
    """Write figures as an animated GIF, which appears complete or not at all, and repeats for ever.

    Any picture can be animated, and the figures may come from a generator that trains between one and the next: each
    is drawn when it comes, and then dropped. In a notebook ``IPython.display.Image(path)`` shows the film.

    Parameters
    ----------
    figures
        Matplotlib figures of the same size, in the order in which they are seen.
    path
        The file, whose name ends in ``.gif``. It is replaced if it exists; its folder must exist.
    seconds
        How long a figure is seen; the last is seen for two seconds longer.

    Raises
    ------
    TypeError
        If something else than a figure comes.
    ValueError
        If no figure comes, one has another size, the name has another ending, or `seconds` is not
        from 0.02 to 60.
    OSError
        If the file cannot be written. An existing file stays as it was.

    Examples
    --------
    A weight is seen to grow:

    >>> import tempfile
    >>> import tinygrad_lite as tg
    >>> figures = (tg.plot.tiles([[[1.0, -size]]], title=f"{size}") for size in range(3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tg.plot.animate(figures, f"{folder}/weight.gif")
    """
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise ValueError(f"{path}: animate writes GIF files: name it {path.with_suffix('.gif')}")
    if not 0.02 <= seconds <= 60:  # shorter times are not kept by browsers
        raise ValueError(f"animate: seconds is {seconds!r}, but must be from 0.02 to 60")
    if hasattr(figures, "savefig"):
        raise TypeError("animate: the figures must be a list of figures, or a generator: write animate([figure], path)")
    first, *others = _frames(figures)
    duration = round(1000 * seconds)
    durations = [duration] * len(others) + [duration + 2000]
    content = io.BytesIO()
    first.save(content, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    write_atomically(path, content.getvalue())


def _frames(figures: Iterable[Figure]) -> Iterator[Any]:
    """Draw figures as images in 256 colours, which a GIF has."""
    from PIL import Image

    size = None
    for number, figure in enumerate(figures):
        if not hasattr(figure, "savefig"):
            raise TypeError(f"animate: the figures are matplotlib figures, but number {number} is {figure!r}")
        with Image.open(io.BytesIO(png(figure))) as drawn:
            frame = drawn.convert("RGB").quantize(256)
        size = size or frame.size
        if frame.size != size:
            raise ValueError(
                f"animate: figure {number} has {frame.size} pixels, but the first has {size}: give figures of the same "
                "size, with headings of as many lines"
            )
        yield frame
    if size is None:
        raise ValueError("animate: there are no figures; an iterator gives them only once")


def show(*figures: Figure) -> None:
    """Show figures: in a notebook below the cell, else each in a window; a script waits until the windows are closed.

    Parameters
    ----------
    *figures
        Any matplotlib figures.

    Raises
    ------
    TypeError
        If there is no figure, or something else than a figure.
    RuntimeError
        If no window can be opened.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> figure = tg.plot.tiles([[[1.0, 0.0], [0.0, -1.0]]])
    >>> tg.plot.show(figure)  # doctest: +SKIP
    """
    if not figures or not all(hasattr(figure, "savefig") for figure in figures):
        raise TypeError("show takes figures: show(figure), or show(figure, another)")
    ipython: Any = sys.modules.get("IPython")
    if getattr(ipython and ipython.get_ipython(), "kernel", None):
        ipython.display.display(*[ipython.display.Image(png(figure)) for figure in figures])
        return
    from matplotlib import pyplot
    from matplotlib.backends import registry

    backends: Any = registry
    try:
        if pyplot.get_backend().lower() in backends.backend_registry.list_builtin(
            backends.BackendFilter.NON_INTERACTIVE
        ):
            raise ImportError("the backend only writes files")
        for figure in figures:
            make: Any = lambda figure=figure, **_: figure  # noqa: E731
            pyplot.figure(FigureClass=make)  # a window for a figure that exists
    except ImportError as error:
        raise RuntimeError("no display: save it with tg.plot.save(figure, path)") from error
    pyplot.show()
