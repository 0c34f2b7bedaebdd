"""The picture of a graph shows every value, operation and wire, legibly; the texts say the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

import tinygrad_lite as tg
from models.mnist import Net
from tinygrad_lite import plot
from tinygrad_lite.formulas.graph import Graph, read
from tinygrad_lite.nn.functional import squared_loss
from tinygrad_lite.plot.diagram import COLOURS, diagram
from tinygrad_lite.plot.output import png

ODD = 'my "big" [x] <b>|{$\\alpha$} & #1 `'


def variable(*numbers: float, name: str | None = "x") -> tg.Tensor:
    return tg.Tensor(np.array(numbers, np.float32), requires_grad=True, name=name)


def mnist() -> tuple[tg.Tensor, tg.nn.Module]:
    net = Net(rng=0)
    return squared_loss(net(np.ones((100, 784), np.float32)), np.ones((100, 10), np.float32)), net


def ten_operations() -> tuple[tg.Tensor, None]:
    x = variable(0.5, 1, 2)
    return (np.sin(x) * x + np.exp(-(x**2)) + np.sqrt(x) / x).sum(), None


def chain(length: int) -> tuple[tg.Tensor, None]:
    y = variable(0.5)
    for _ in range(length):
        y = np.sin(y)
    return y, None


def bypassed_chain(length: int) -> tuple[tg.Tensor, None]:
    x, w = variable(0.5, name="x"), variable(0.25, name="w")
    y = x
    for _ in range(length):
        y = np.sin(y)
    return w * y + x, None


def two_chains(length: int) -> tuple[tg.Tensor, None]:
    (x, _), (y, _) = chain(length), chain(length)
    return x * y, None


def joined(count: int) -> tg.Tensor:
    """Return what so many values, joined in groups of 64, and these groups, are joined to."""
    return np.concatenate([variable(1, name=None) for _ in range(count)])


def residual() -> tuple[tg.Tensor, tg.nn.Module]:
    net = tg.nn.Sequential(*[tg.nn.Linear(4, 4, rng=i) for i in range(20)])
    h = net[0](np.ones((3, 4)))
    for layer in net[1:]:
        h = np.tanh(layer(h)) + h
    return (h**2).sum(), net


def square() -> tuple[tg.Tensor, None]:
    x = variable(3, name=None)
    return x * x, None


def odd_names() -> tuple[tg.Tensor, None]:
    return (variable(1, 2, name=ODD) * variable(3, name="50% größe_α₁^2")).mean(), None


GRAPHS: dict[str, Callable[[], tuple[tg.Tensor, tg.nn.Module | None]]] = {
    "mnist": mnist,
    "ten operations": ten_operations,
    "chain": lambda: chain(30),
    "bypassed chain": lambda: bypassed_chain(20),
    "residual": residual,
    "square": square,
    "odd names": odd_names,
}


@pytest.fixture(scope="module", params=GRAPHS)
def drawn(request: pytest.FixtureRequest) -> Figure:
    tensor, model = GRAPHS[request.param]()
    figure = plot.graph(tensor, model, title=request.param)
    FigureCanvasAgg(figure).draw()
    return figure


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def boxes(figure: Figure) -> list[Bbox]:
    return [p.get_window_extent() for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]


def wires(figure: Figure) -> list[FancyArrowPatch]:
    return [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]


def course(wire: FancyArrowPatch) -> np.ndarray:
    """Points along a wire, in pixels."""
    return wire.axes.transData.transform_path(wire._path_original).to_polygons(closed_only=False)[0]


def crossings(a: np.ndarray, b: np.ndarray) -> int:
    """How often two chains of straight pieces cross."""

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        return np.sign((q - p)[..., 0] * (r - p)[..., 1] - (q - p)[..., 1] * (r - p)[..., 0])

    p, q, r, s = a[:-1, None], a[1:, None], b[None, :-1], b[None, 1:]
    return int(np.sum((side(p, q, r) * side(p, q, s) < 0) & (side(r, s, p) * side(r, s, q) < 0)))


def overlap(a: Bbox, b: Bbox) -> bool:
    """Whether two rectangles share more than a pixel."""
    return min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1


class TestPicture:
    def test_all_is_inside_and_no_two_texts_overlap(self, drawn: Figure) -> None:
        shown = [text for text in drawn.findobj(Text) if text.get_text()]
        extents = [text.get_window_extent() for text in shown]
        for text, extent in zip(shown, extents, strict=True):
            assert drawn.bbox.x0 <= extent.x0 <= extent.x1 <= drawn.bbox.x1, text
            assert drawn.bbox.y0 <= extent.y0 <= extent.y1 <= drawn.bbox.y1, text
        assert not [(a, b) for a, b in combinations(extents, 2) if overlap(a, b)]

    def test_every_text_is_in_its_box_and_boxes_keep_apart(self, drawn: Figure) -> None:
        places = boxes(drawn)
        for text in drawn.axes[0].texts:
            extent = text.get_window_extent()
            assert [
                b for b in places if b.x0 < extent.x0 and extent.x1 < b.x1 and b.y0 < extent.y0 and extent.y1 < b.y1
            ]
        assert not [(a, b) for a, b in combinations(places, 2) if overlap(a, b)]

    def test_wires_cross_no_box(self, drawn: Figure) -> None:
        places = boxes(drawn)
        for wire in wires(drawn):
            x, y = course(wire).T
            for box in places:
                inside = (box.x0 + 1 < x) & (x < box.x1 - 1) & (box.y0 + 1 < y) & (y < box.y1 - 1)
                assert not inside.any()

    def test_wires_run_between_the_legend_and_the_heading(self, drawn: Figure) -> None:
        legend, heading = drawn.legends[0].get_window_extent(), drawn._suptitle.get_window_extent()
        for wire in wires(drawn):
            x, y = course(wire).T
            assert 0 <= x.min() <= x.max() <= drawn.bbox.width
            assert legend.y1 < y.min() <= y.max() < heading.y0

    def test_it_fits_on_a_page(self, drawn: Figure) -> None:
        assert drawn.get_size_inches()[0] < 10

    def test_a_net_runs_from_left_to_right_in_one_line(self) -> None:
        figure = plot.graph(*mnist())
        rules = ("linear", "relu", "linear", "softmax", "squared_loss")
        placed = [text for text in figure.axes[0].texts if text.get_text() in rules]
        assert tuple(text.get_text() for text in placed) == rules
        x, y = zip(*(text.get_position() for text in placed), strict=True)
        assert sorted(x) == list(x)
        assert max(y) - min(y) < 0.1
        assert {"$W_{1}$", "784×90", "hidden.weight", "$x$", "100×784", "$t$"} <= set(texts(figure))

    @pytest.mark.parametrize(("length", "columns"), [(12, 2), (30, 4), (40, 5)])
    def test_a_long_chain_is_broken_into_columns_read_downwards(self, length: int, columns: int) -> None:
        figure = plot.graph(chain(length)[0])
        assert figure.get_size_inches()[1] < 12
        middles = [((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in boxes(figure)]
        steps = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(middles)]
        assert len([right for right, up in steps if right > 1 and up > 1]) == columns - 1
        assert len([right for right, up in steps if abs(right) < 0.01 and up < -1]) == length - (columns - 1)

    @pytest.mark.parametrize("long_graph", [bypassed_chain, two_chains])
    def test_wires_to_the_next_column_turn_outside_and_do_not_cross(
        self, long_graph: Callable[[int], tuple[tg.Tensor, None]]
    ) -> None:
        figure = plot.graph(long_graph(20)[0])
        ways = [course(wire) for wire in wires(figure)]
        for way in ways:
            if way[-1][1] > way[0][1]:
                assert way[:, 1].min() < way[0][1] - 20
                assert way[:, 1].max() > way[-1][1] + 20
        assert sum(crossings(a, b) for a, b in combinations(ways, 2)) == 0

    def test_wires_join_values_in_the_order_of_operands(self) -> None:
        x, y = variable(1, 2, name="x"), variable(3, 4, name="y")
        figure = plot.graph(x - y)
        first, second = map(course, wires(figure))
        x_box, y_box, result = boxes(figure)
        for wire, box in ((first, x_box), (second, y_box)):
            np.testing.assert_allclose(wire[0], [box.x1, (box.y0 + box.y1) / 2])
            assert wire[-1][0] == pytest.approx(result.x0)
        assert result.y0 < second[-1][1] < first[-1][1] < result.y1

    def test_wires_cross_no_more_than_they_must(self) -> None:
        a, b = variable(0.5, name="a"), variable(0.25, name="b")
        c = np.sin(a)
        d = np.exp(c)
        e = b * c
        figure = plot.graph(d * (b * (e * c)))
        assert sum(crossings(course(v), course(w)) for v, w in combinations(wires(figure), 2)) == 1

    def test_a_value_used_twice_has_two_wires(self) -> None:
        assert len(wires(plot.graph(*square()))) == 2

    def test_colours_tell_kinds_apart_and_the_legend_names_them(self) -> None:
        figure = plot.graph(*mnist())
        faces = [matplotlib.colors.to_hex(p.get_facecolor()) for p in figure.axes[0].patches]
        count = {kind: faces.count(matplotlib.colors.to_hex(COLOURS[kind][0])) for kind in COLOURS}
        assert count == {"input": 2, "parameter": 4, "result": 4, "output": 1, "loss": 1}  # these two look alike
        legend = [text.get_text() for text in figure.legends[0].get_texts()]
        assert legend == ["input or constant", "parameter", "result", "loss"]

    def test_small_tensors_show_their_numbers_and_gradients(self) -> None:
        x = variable(0.5, -2)
        figure = plot.graph((x * 1.25).sum())
        assert texts(figure) == [
            "$x$ = [0.5, −2]",
            "∂L/∂x = [1.25, 1.25]",
            "multiply(·, 1.25)",
            "$v$ = [0.625, −2.5]",
            "∂L/∂v = [1, 1]",
            "sum",
            "$L$ = −1.88",
        ]

    def test_of_a_matrix_the_shape_is_shown_unless_it_is_one_number(self) -> None:
        x = tg.Tensor(np.ones((6, 1)), requires_grad=True, name="x")
        y = tg.Tensor(np.full((1, 1), 0.5), requires_grad=True, name="y")
        assert texts(plot.graph((x @ y).sum())) == [
            *("$x$", "6×1"),
            *("$y$ = [[0.5]]", "∂L/∂y = [[6]]"),
            *("matmul", "$z$", "6×1"),
            *("sum", "$L$ = 3"),
        ]

    def test_there_are_no_gradients_of_several_numbers(self) -> None:
        assert texts(plot.graph(variable(1, 2) * 2)) == ["$x$ = [1, 2]", "multiply(·, 2)", "$y$ = [2, 4]"]

    def test_what_a_rule_was_given_besides_values_is_shown(self) -> None:
        x = tg.Tensor(np.ones((3, 4)), requires_grad=True)
        shown = texts(plot.graph((2 - x.reshape(4, 3).sum(axis=0))[np.array([0, 1])]))
        assert {"reshape(·, (4, 3))", "sum(·, axis=0)", "subtract(2, ·)", "getitem(·, …)"} <= set(shown)

    def test_of_many_operands_some_have_a_place(self) -> None:
        columns = [tg.Tensor(np.ones((2, 1)), requires_grad=True) for _ in range(7)]
        assert "concatenate(·, ·, …, ·, 1)" in texts(plot.graph(np.concatenate(columns, axis=1)))

    def test_the_graph_and_grad_are_left_alone(self) -> None:
        x = variable(1, 2)
        loss = (x**2).sum()
        plot.graph(loss)
        assert x.grad is None
        loss.backward()
        assert x.grad.tolist() == [2, 4]

    def test_what_overflows_is_drawn(self) -> None:
        with np.errstate(over="ignore"):
            loss = np.exp(variable(1000.0)).sum()
        assert "$v$ = [inf]" in texts(plot.graph(loss))

    def test_an_infinite_derivative_is_drawn(self) -> None:
        with np.errstate(divide="ignore"):
            assert "∂L/∂x = [inf]" in texts(plot.graph(np.log(variable(0)).sum()))

    def test_too_large_a_graph_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"^graph: there are more than 120 operations, .* room for: .*to_dot"):
            plot.graph(chain(121)[0])
        plot.graph(chain(120)[0])

    def test_too_many_values_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"^graph: there are more than 200 values, .* room for: .*to_dot"):
            plot.graph(joined(196))
        plot.graph(joined(195))

    def test_a_model_is_no_tensor(self) -> None:
        for draw in (plot.graph, plot.to_mermaid, plot.to_dot):
            with pytest.raises(TypeError, match=r"only a Tensor has a graph, not a Net"):
                draw(Net(rng=0))

    def test_there_must_be_a_graph(self) -> None:
        with pytest.raises(tg.GraphError, match="has no graph"):
            plot.graph(variable(1))
        loss = variable(1).sum()
        loss.backward()
        with pytest.raises(tg.GraphError, match="was freed"):
            plot.graph(loss)


class TestTexts:
    @pytest.mark.parametrize("name", GRAPHS)
    def test_both_have_the_boxes_and_wires_of_the_picture(self, name: str) -> None:
        tensor, model = GRAPHS[name]()
        figure = plot.graph(tensor, model)
        FigureCanvasAgg(figure).draw()
        mermaid, dot = plot.to_mermaid(tensor, model).splitlines(), plot.to_dot(tensor, model).splitlines()
        for lines, box, wire in (
            (mermaid, r'    n(\d+)\["([^"<>]|<br/>)+"\]:::\w+', r"    n(\d+) --> n(\d+)"),
            (dot, r'    n(\d+) \[label="(?:[^"\\]|\\.)+", [\w=", #]+\]', r"    n(\d+) -> n(\d+)"),
        ):
            numbers = [int(match[1]) for line in lines if (match := re.fullmatch(box, line))]
            ends = [(int(match[1]), int(match[2])) for line in lines if (match := re.fullmatch(wire, line))]
            assert numbers == list(range(len(boxes(figure))))
            assert len(ends) == len(wires(figure))
            assert all(source < target < len(numbers) for source, target in ends)
            frame = [line for line in lines if not re.fullmatch(f"{box}|{wire}", line)]
            assert frame[0] in ("flowchart TD", "digraph {")
            assert all(line.startswith(("    classDef ", "    node [", "}")) for line in frame[1:])

    def test_labels_are_escaped(self) -> None:
        tensor, _ = odd_names()
        assert r'n0["my #34;big#34; [x] #60;b#62;|{$\alp…' in plot.to_mermaid(tensor)
        assert r'n0 [label="my \"big\" [x] <b>|{$\\alp…' in plot.to_dot(tensor)

    def test_names_shapes_and_paths_are_shown(self) -> None:
        assert 'n1["W₁<br/>784×90<br/>hidden.weight"]:::parameter' in plot.to_mermaid(*mnist())
        assert r'label="linear\nz₁\n100×90"' in plot.to_dot(*mnist())

    def test_there_is_no_limit(self) -> None:
        assert plot.to_dot(chain(200)[0]).count("->") == 200
        assert plot.to_dot(joined(300)).count("->") == 305

    def test_leaves_are_not_searched_for_each_value(self) -> None:
        class Unsearched(tuple):
            def __contains__(self, value: object) -> bool:
                raise AssertionError("this takes long if there are many")

        found = read(joined(3))
        drawn = diagram(replace(found, leaves=Unsearched(found.leaves)))
        assert [box.kind for box in drawn.boxes] == ["parameter"] * 3 + ["output"]

    def test_there_must_be_a_graph(self) -> None:
        for write in (plot.to_mermaid, plot.to_dot):
            with pytest.raises(tg.GraphError, match="has no graph"):
                write(variable(1))


class TestInANotebook:
    def test_a_result_shows_its_graph_crisply_under_its_repr(self, monkeypatch: pytest.MonkeyPatch) -> None:
        figures = []

        def note(figure: Figure, dpi: float) -> bytes:
            figures.append(figure)
            return png(figure, dpi)

        monkeypatch.setattr("tinygrad_lite.plot.drawing.png", note)
        loss = (variable(1, 2, name="$x$") ** 2).sum()
        content = loss._repr_png_()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert [figure.get_suptitle() for figure in figures] == [repr(loss)]
        assert int.from_bytes(content[16:20], "big") == pytest.approx(144 * figures[0].get_size_inches()[0], abs=1)

    def test_a_long_repr_is_cut_to_one_line(self) -> None:
        assert (tg.Tensor(np.ones((20, 20)), requires_grad=True, name="$") * 2)._repr_png_() is not None

    def test_what_has_no_graph_shows_its_repr(self) -> None:
        freed = variable(1).sum()
        freed.backward()
        with tg.no_grad():
            unrecorded = variable(1).sum()
        for tensor in (variable(1), tg.Tensor(1.0), freed, unrecorded, chain(41)[0], joined(60)):
            assert tensor._repr_png_() is None
        assert chain(40)[0]._repr_png_() is not None
        assert joined(59)._repr_png_() is not None

    def test_of_a_large_graph_no_more_is_read_than_needed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def note(tensor: tg.Tensor, model: tg.nn.Module | None, most: int, depth: int) -> Graph:
            asked.append(most)
            return read(tensor, model, most, depth)

        monkeypatch.setattr("tinygrad_lite.plot.drawing.read", note)
        assert chain(1000)[0]._repr_png_() is None
        assert asked == [40]

    @pytest.mark.filterwarnings("error")
    def test_letters_that_the_font_lacks_are_no_reason_to_warn(self) -> None:
        assert (variable(1, 2, name="重み") * 2)._repr_png_() is not None

    def test_what_was_changed_in_place_shows_its_repr(self) -> None:
        x = variable(1, 2)
        loss = (x**2).sum()
        x.data -= 1
        assert loss._repr_png_() is None


def test_a_value_is_computed_where_its_operand_passes_anyway() -> None:
    x = variable(1, 2)
    figure = plot.graph(((x + 1) * (x - 2) * np.sin(x) / x).sum())
    FigureCanvasAgg(figure).draw()
    place = {text.get_text(): text.get_position()[1] for text in figure.axes[0].texts}
    assert place["sin"] > place["add(·, 1)"] == place["subtract(·, 2)"]
