"""The notebooks run from a clean kernel, and are saved with the outputs of such a run."""

from __future__ import annotations

import ast
import os
import re
import sys
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text

import tinygrad_lite as tg
from tests.notebooks.__main__ import main
from tests.notebooks.run import FOLDER, METADATA, _overwritten, code_cells, notebooks, read, run
from tinygrad_lite.plot import chinese

NOTEBOOKS = notebooks()
ENGLISH = [path for path in NOTEBOOKS if path.parent == FOLDER]
TRANSLATED = [path for path in NOTEBOOKS if path.parent != FOLDER]
SCREEN = 30  # lines
LANGUAGE = "language-words"  # the cell of a translation that says what is drawn where no font has its characters

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def told(cell: Any) -> list[str]:
    """Return what a cell shows, but for its numbers: their last digits, and their widths, differ between machines."""
    shown: list[str] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            shown += output.text.splitlines()
        else:
            shown += sorted(output.data)
            shown += output.data["text/plain"].splitlines() if "image/png" not in output.data else []
    masked = [re.sub(r"[-−+]?\d[\d.,e+-]*", "#", re.sub("-{2,}", "--", line)) for line in shown]
    return [" ".join(line.split()) for line in masked]


def test_the_notebooks_are_numbered_and_the_readme_names_each():
    assert [path.stem[:3] for path in ENGLISH] == [f"{n:02}_" for n in range(1, len(ENGLISH) + 1)]
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\(notebooks/(\w+)\.ipynb\)", readme) == [path.stem for path in ENGLISH]


@pytest.mark.whole
# Jupyter's packages warn of one another.
@pytest.mark.filterwarnings("default")
@each_notebook
def test_it_runs_from_a_clean_kernel_and_shows_what_was_saved(path, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    fresh = run(path, tmp_path)
    if "load_mnist" in path.read_text(encoding="utf-8") and "TINYGRAD_LITE_DATA" not in os.environ:
        pytest.skip("it ran, but TINYGRAD_LITE_DATA names no MNIST to compare the saved outputs on")
    if path in TRANSLATED and not chinese._font():
        pytest.skip("it ran, but no font has Chinese characters, of which it warns and the saved one does not")
    for old, new in zip(code_cells(read(path)), code_cells(fresh), strict=True):
        assert told(old) == told(new), f"python -m tests.notebooks saves it anew; this cell differs:\n{old.source}"


@each_notebook
def test_it_is_saved_as_one_clean_run(path):
    cells = code_cells(read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert "\r" not in "".join(output.get("text", "") for output in outputs)


@each_notebook
def test_no_cell_is_longer_than_a_screen(path):
    for cell in read(path).cells:
        assert len(cell.source.splitlines()) <= SCREEN, cell.source
        assert cell.source.strip()


@each_notebook
def test_it_tells_nothing_of_the_machine_it_was_run_on(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|tmp|Users|usr|opt|var)/|site-packages|[A-Z]:\\\\", text)
    assert read(path).metadata == METADATA


@each_notebook
def test_it_begins_with_a_title_and_its_links_lead_somewhere(path):
    cells = [cell for cell in read(path).cells if cell.cell_type == "markdown"]
    assert read(path).cells[0].source.startswith("# ")
    targets = {target for cell in cells for target in re.findall(r"\]\(([^)#:]+)\)", cell.source)}
    places = {(path.parent / target).resolve() for target in targets}
    assert all(place.exists() for place in places), targets
    assert places & {other.resolve() for other in NOTEBOOKS if other != path}


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: path.stem)
def test_a_translation_computes_what_the_original_does(path):
    (original,) = (other for other in ENGLISH if other.stem[:3] == path.stem[:3])
    translated = [cell for cell in code_cells(read(path)) if cell.id != LANGUAGE]
    for ours, theirs in zip(translated, code_cells(read(original)), strict=True):
        assert ours.id == theirs.id
        assert wordless(ours.source) == wordless(theirs.source)


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: path.stem)
def test_where_no_font_has_its_characters_a_translation_draws_english_words(path, monkeypatch):
    monkeypatch.setattr(Text, "set_text", Text.set_text)  # which the cell replaces
    monkeypatch.setattr(tg.plot, "language", lambda name: "en")
    names = {"tg": tg}
    cells = {cell.id: cell.source for cell in code_cells(read(path))}
    exec(cells.pop(LANGUAGE), names)
    texts = {text for source in cells.values() for text in drawn(source)}
    assert [text for text in texts if chinese.HAN.search(names["in_english"](text))] == []
    ax = plt.figure().add_subplot(title="损失：3", xlabel="步")
    assert (ax.get_title(), ax.get_xlabel()) == ("loss: 3", "step")
    plt.close()


def drawn(source: str) -> set[str]:
    """Return the texts in code that may stand in a picture: no docstrings, and nothing that is printed.

    Of a text with values in it each piece counts: it is put into English whatever the values are.
    """
    tree = ast.parse(unmagical(source))
    printed = {part for node in ast.walk(tree) if is_text_to_read(node) for part in ast.walk(node)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in printed)
    return {node.value for node in constants if isinstance(node.value, str)}


def is_text_to_read(node: ast.AST) -> bool:
    """Return whether code is a docstring, or is printed."""
    match node:
        case ast.Expr(ast.Constant()) | ast.Call(ast.Name("print" | "tqdm")):
            return True
        case ast.Assign([ast.Name("bar")]):  # the settings of tqdm
            return True
    return False


def unmagical(source: str) -> str:
    """Return code without the commands of IPython."""
    return "\n".join(line for line in source.splitlines() if not line.startswith("%"))


def wordless(source: str) -> str:
    """Return code without comments and words: strings are empty, and what stands within one is in order."""
    tree = ast.parse(unmagical(source))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):  # words have another order and another width
            values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
            node.values = [ast.FormattedValue(value, -1) for value in sorted(values, key=ast.unparse)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.unparse(tree)


def test_words_are_no_part_of_what_is_compared_but_numbers_are():
    assert wordless('f"a {x} b {y:3}"  # one') == wordless('f"{y:5} c {x}"')
    assert wordless('f"a {x}"') != wordless('f"a {y}"')
    assert wordless('f(1, "a")') != wordless('f(2, "a")')


@pytest.mark.parametrize("arguments", [["--help"], ["no_such.ipynb"], ["README.md"]])
def test_the_command_tells_its_usage_and_of_a_wrong_name(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    told = capsys.readouterr()
    helped = arguments == ["--help"]
    assert stopped.value.code == (0 if helped else 2)
    assert "NOTEBOOK" in told.out if helped else f"no notebook {arguments[0]}" in told.err


def test_a_progress_bar_is_saved_as_it_stands_in_the_end():
    assert _overwritten("a |  | 0\ra |# | 5\ra |##| 10\nb\r\n") == "a |##| 10\nb\n"


@pytest.mark.filterwarnings("ignore:Glyph")  # where no font has Chinese characters
@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem[:3] == "01_"], ids=lambda path: path.stem)
def test_the_sliders_move_what_the_cell_before_them_draws(path, monkeypatch):
    """The saved notebook is run without ipywidgets, so their place is taken by a function that goes to both ends."""
    moved = []

    def interact(draw: Any, **sliders: Any) -> None:
        for end in (0, 1):
            moved.append({name: limits[end] for name, limits in sliders.items()})
            draw(**moved[-1])
            plt.gcf().canvas.draw()
            plt.close("all")

    widgets = ModuleType("ipywidgets")
    widgets.interact = interact
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    monkeypatch.setattr(plt, "show", lambda: None)
    names = {
        "plt": plt,
        "np": np,
        "tg": tg,
        "F": tg.nn.functional,
        "BLUE": tg.plot.BLUE,
        "VERMILION": tg.plot.VERMILION,
    }
    for cell in code_cells(read(path)):
        if cell.id in ("helpers-lines", "one-neuron-learns", "one-neuron-play", "one-neuron-sliders"):
            exec(cell.source, names)
    assert [set(ends) for ends in moved] == [{"w", "b", "rate"}] * 2


def test_the_measured_times_are_drawn_however_slow_the_machine_is():
    """A number far to the right of the axes left no room for them; matplotlib warned of it."""
    (cells,) = (code_cells(read(path)) for path in NOTEBOOKS if path.stem == "05_what_the_compiler_writes")
    (drawing,) = (cell.source for cell in cells if "times eager" in cell.source and "ax.barh" in cell.source)
    names = {"plt": plt, "np": np, "BLUE": tg.plot.BLUE, "VERMILION": tg.plot.VERMILION}
    for slowness in (1, 20):
        ratios = {n: {name: [0.5 * slowness, 9 * slowness] for name in ("eager", "recorded")} for n in (100, 10)}
        exec(drawing, names | {"ratios": ratios})
        plt.gcf().canvas.draw()
        plt.close()
