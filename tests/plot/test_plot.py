"""Every picture shows the numbers it was given, labelled; bad input is refused; files are written whole."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import tinygrad_lite as tg
from tinygrad_lite import plot
from tinygrad_lite.plot import mosaics
from tinygrad_lite.plot.output import png


def history(epochs: int) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "train_loss": 0.3 / epoch,
            "valid_loss": 0.4 / epoch,
            "train_accuracy": 1 - 0.1 / epoch,
            "valid_accuracy": 1 - 0.2 / epoch,
            "seconds": 0.5,
        }
        for epoch in range(1, epochs + 1)
    ]


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).random((25, 784), dtype=np.float32)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def heading(figure: Figure) -> str:
    return figure.get_suptitle()


def draw(figure: Figure) -> None:
    figure.savefig(io.BytesIO())


def inside(figure: Figure) -> bool:
    """Whether everything drawn lies within the figure."""
    draw(figure)
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    return box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def rectangle(tile: int, columns: int, high: int) -> tuple[slice, slice]:
    """Where a mosaic whose rows are `high` pixels high shows a tile."""
    row, column = divmod(tile, columns)
    y, x = row * high + high - mosaics.GAP - 28, column * (28 + mosaics.GAP)
    return slice(y, y + 28), slice(x, x + 28)


def pixels(figure: Figure) -> np.ma.MaskedArray:
    return figure.axes[0].images[0].get_array()


class TestCurves:
    def test_loss_is_left_and_accuracy_right_in_per_cent(self) -> None:
        loss, accuracy = plot.curves(history(6)).axes
        assert loss.get_position().x1 < accuracy.get_position().x0
        drawn = {(ax.get_ylabel(), line.get_label()): line.get_ydata() for ax in (loss, accuracy) for line in ax.lines}
        epoch = np.arange(1, 7)
        expected = {
            ("loss (mean per sample)", "train"): 0.3 / epoch,
            ("loss (mean per sample)", "valid"): 0.4 / epoch,
            ("accuracy (%)", "train"): 100 - 10 / epoch,
            ("accuracy (%)", "valid"): 100 - 20 / epoch,
        }
        assert drawn.keys() == expected.keys()
        for key, values in expected.items():
            np.testing.assert_allclose(drawn[key], values)

    def test_axes_are_labelled_and_the_legend_names_both_splits(self) -> None:
        figure = plot.curves(history(3), title="digits (synthetic)")
        assert heading(figure) == "digits (synthetic)"
        for ax in figure.axes:
            assert ax.get_xlabel() == "epoch"
            assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train", "valid"]
            assert {line.get_color() for line in ax.lines} == {plot.BLUE, plot.VERMILION}
            assert {tuple(line.get_xdata()) for line in ax.lines} == {(1.0, 2.0, 3.0)}

    @pytest.mark.parametrize("epochs", [1, 2, 6, 60])
    def test_ticks_are_whole_epochs_and_nothing_is_cut_off(self, epochs: int) -> None:
        figure = plot.curves(history(epochs), title="title")
        assert inside(figure)
        for ax in figure.axes:
            low, high = ax.get_xlim()
            ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
            assert ticks
            assert all(tick == round(tick) and 1 <= tick <= epochs for tick in ticks)

    def test_losses_that_are_not_finite_are_left_out(self) -> None:
        diverged = history(3)
        diverged[1]["train_loss"] = float("nan")
        diverged[2]["train_loss"] = float("inf")
        draw(plot.curves(diverged))

    def test_an_empty_history_is_refused(self) -> None:
        with pytest.raises(ValueError, match="history is empty"):
            plot.curves([])

    def test_a_missing_key_is_named(self) -> None:
        incomplete = history(3)
        del incomplete[1]["valid_loss"]
        with pytest.raises(ValueError, match="entry 1 of the history lacks 'valid_loss'"):
            plot.curves(incomplete)


class TestDigits:
    def test_images_stand_in_reading_order(self, images: np.ndarray) -> None:
        shown = pixels(plot.digits(images, columns=10))
        for index, image in enumerate(images):
            np.testing.assert_array_equal(shown[rectangle(index, 10, 30)], image.reshape(28, 28))
        assert shown[:, 28].mask.all()  # the gap
        assert shown[rectangle(29, 10, 30)].mask.all()  # the last row is not full

    def test_both_shapes_give_the_same_picture(self, images: np.ndarray) -> None:
        flat, square = pixels(plot.digits(images)), pixels(plot.digits(images.reshape(-1, 28, 28)))
        np.testing.assert_array_equal(flat, square)

    def test_captions_stand_above_their_images(self, images: np.ndarray) -> None:
        figure = plot.digits(images[:5], titles=list("abcde"), columns=3, title="five (synthetic)")
        high = 28 + mosaics.GAP + mosaics.CAPTION
        assert heading(figure) == "five (synthetic)"
        assert texts(figure) == list("abcde")
        for index, text in enumerate(figure.axes[0].texts):
            rows, columns = rectangle(index, 3, high)
            x, y = text.get_position()
            assert columns.start < x < columns.stop
            assert rows.start - mosaics.CAPTION <= y < rows.start
            np.testing.assert_array_equal(pixels(figure)[rows, columns], images[index].reshape(28, 28))
        assert inside(figure)

    @pytest.mark.parametrize("scale", [1, 255])
    def test_the_background_is_paper_and_the_largest_value_ink(self, scale: int) -> None:
        image = np.zeros((1, 784))
        image[0, 0] = scale
        picture = plot.digits(image).axes[0].images[0]
        assert picture.get_clim() == (0, scale)
        assert matplotlib.colors.to_hex(picture.to_rgba(0)) == plot.PAPER
        assert matplotlib.colors.to_hex(picture.to_rgba(scale)) == "#000000"

    def test_a_blank_image_is_drawn(self) -> None:
        draw(plot.digits(np.zeros((1, 784))))

    @pytest.mark.parametrize("shape", [(784,), (28, 28)])
    def test_a_single_image_needs_no_second_axis(self, images: np.ndarray, shape: tuple[int, ...]) -> None:
        figure = plot.digits(images[3].reshape(shape), titles=np.uint8(7))
        assert texts(figure) == texts(plot.digits(images[3].reshape(shape), titles="7")) == ["7"]
        shown = pixels(figure)[rectangle(0, 1, 28 + mosaics.GAP + mosaics.CAPTION)]
        np.testing.assert_array_equal(shown, images[3].reshape(28, 28))

    @pytest.mark.parametrize("shape", [(783,), (0, 784), (3, 783), (3, 28, 27), (2, 3, 28, 28), ()])
    def test_other_shapes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=re.escape(f"shape {shape}, but must have (n, 784) or (n, 28, 28)")):
            plot.digits(np.zeros(shape))

    def test_captions_must_be_as_many_as_images(self, images: np.ndarray) -> None:
        with pytest.raises(ValueError, match="25 images, 2 titles"):
            plot.digits(images, titles=["a", "b"])

    def test_columns_must_be_positive(self, images: np.ndarray) -> None:
        with pytest.raises(ValueError, match="columns is 0"):
            plot.digits(images, columns=0)


class TestDigit:
    @pytest.mark.parametrize("i", [0, 24, np.int64(3)])
    def test_it_is_the_one_asked_for_with_its_number_and_label(self, images: np.ndarray, i: int) -> None:
        split = tg.data.Split(images, np.arange(25, dtype=np.uint8) % 10)
        figure = plot.digit(split, i, title="training (synthetic)")
        np.testing.assert_array_equal(pixels(figure)[rectangle(0, 1, 30)], images[i].reshape(28, 28))
        assert heading(figure) == f"training (synthetic)\nimage {i}: label {i % 10}"
        assert inside(figure)

    def test_images_alone_have_no_label(self, images: np.ndarray) -> None:
        figure = plot.digit(images.reshape(-1, 28, 28), 4)
        np.testing.assert_array_equal(pixels(figure)[rectangle(0, 1, 30)], images[4].reshape(28, 28))
        assert heading(figure) == "image 4"

    @pytest.mark.parametrize("i", [25, -1, 1.0, "3", None])
    def test_other_numbers_are_refused_with_the_range(self, images: np.ndarray, i: object) -> None:
        with pytest.raises(ValueError, match=re.escape(f"i is {i!r}, but must be a whole number from 0 to 24")):
            plot.digit(images, i)  # type: ignore[arg-type]

    def test_a_whole_data_set_is_answered_with_its_parts(self, images: np.ndarray) -> None:
        split = tg.data.Split(images, np.zeros(25, np.uint8))
        with pytest.raises(TypeError, match=r"write data\.train, data\.valid or data\.test"):
            plot.digit(tg.data.Digits(split, split, split), 0)


class TestMistakes:
    def test_only_misread_digits_are_shown_with_truth_and_reading(self, images: np.ndarray) -> None:
        labels = np.arange(25) % 10
        predictions = labels.copy()
        predictions[[3, 14]] = [8, 9]
        figure = plot.mistakes(images, labels, predictions, title="test (synthetic)")
        assert texts(figure) == ["3 → 8", "4 → 9"]
        assert heading(figure) == "test (synthetic)\n2 of 25 misread: true → read"
        shown = pixels(figure)
        for place, index in enumerate((3, 14)):
            tile = shown[rectangle(place, 2, 28 + mosaics.GAP + mosaics.CAPTION)]
            np.testing.assert_array_equal(tile, images[index].reshape(28, 28))

    def test_no_more_than_asked_for_are_shown(self, images: np.ndarray) -> None:
        figure = plot.mistakes(images, np.zeros(25, int), np.ones(25, int), most=7)
        assert texts(figure) == ["0 → 1"] * 7
        assert heading(figure) == "25 of 25 misread, the first 7 shown: true → read"
        assert inside(figure)

    def test_none_is_told_in_a_sentence(self, images: np.ndarray) -> None:
        figure = plot.mistakes(images, np.ones(25, int), np.ones(25, int), title="test")
        assert "No mistakes: all 25 digits were read right." in [text.get_text() for text in figure.texts]
        assert heading(figure) == "test"
        assert not figure.axes
        assert inside(figure)

    def test_counts_must_agree(self, images: np.ndarray) -> None:
        with pytest.raises(ValueError, match="25 images, 25 labels, 24 predictions"):
            plot.mistakes(images, np.zeros(25), np.zeros(24))

    def test_most_must_be_positive(self, images: np.ndarray) -> None:
        with pytest.raises(ValueError, match="most is 0"):
            plot.mistakes(images, np.zeros(25), np.ones(25), most=0)


class TestConfusion:
    labels = np.repeat([0, 1, 2], [1000, 10, 1])
    predictions = np.concatenate([np.repeat([0, 1], [999, 1]), np.repeat([1, 2], [5, 5]), [2]])

    def test_counts_stand_in_their_cells(self) -> None:
        figure = plot.confusion(self.labels, self.predictions, classes=4, title="test (synthetic)")
        ax = figure.axes[0]
        cells = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in ax.texts}
        assert cells == {(0, 0): "999", (0, 1): "1", (1, 1): "5", (1, 2): "5", (2, 2): "1"}
        assert (ax.get_ylabel(), ax.get_xlabel()) == ("true class", "read as")
        assert list(ax.get_xticks()) == list(ax.get_yticks()) == [0, 1, 2, 3]
        assert heading(figure) == "test (synthetic)\n1,005 of 1,011 read right"
        assert inside(figure)

    def test_colour_is_the_share_of_the_row(self) -> None:
        figure = plot.confusion(self.labels, self.predictions, classes=4)
        share = [[0.999, 0.001, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
        np.testing.assert_allclose(pixels(figure), share)
        draw(figure)  # only now has the colour bar its axes' label
        assert any("share of the true class (%)" in ax.get_ylabel() for ax in figure.axes[0].child_axes)

    def test_one_in_a_thousand_is_seen_and_every_count_is_legible(self) -> None:
        ax = plot.confusion(self.labels, self.predictions, classes=4).axes[0]
        picture = ax.images[0]

        def brightness(colour: object) -> float:
            return float(np.dot(matplotlib.colors.to_rgb(colour), [0.2126, 0.7152, 0.0722]))

        assert brightness(picture.to_rgba(0.001)[:3]) < brightness(picture.to_rgba(0)[:3]) - 0.02
        for text in ax.texts:
            column, row = text.get_position()
            cell = picture.to_rgba(pixels(ax.figure)[row, column])[:3]
            assert abs(brightness(text.get_color()) - brightness(cell)) > 0.4

    @pytest.mark.parametrize("strange", [-1, 10, 2.5])
    def test_a_class_out_of_range_is_named(self, strange: float) -> None:
        with pytest.raises(ValueError, match=f"labels hold {strange}.*from 0 to 9"):
            plot.confusion([1, strange], [1, 2])

    def test_bad_input_is_refused(self) -> None:
        with pytest.raises(ValueError, match="2 labels, 3 predictions"):
            plot.confusion([1, 2], [1, 2, 3])
        with pytest.raises(ValueError, match=re.escape("predictions have shape (2, 10)")):
            plot.confusion([1, 2], np.ones((2, 10)))
        with pytest.raises(ValueError, match="classes is 0"):
            plot.confusion([0], [0], classes=0)


class TestWeights:
    @pytest.mark.parametrize(
        ("units", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (10, 4, 3), (90, 10, 9), (100, 10, 10)]
    )
    def test_each_column_is_an_image_in_a_grid_near_square(self, units: int, columns: int, rows: int) -> None:
        weight = np.random.default_rng(0).normal(size=(784, units)).astype(np.float32)
        figure = plot.weights(weight, title="first layer")
        shown = pixels(figure)
        assert shown.shape == (rows * 30, columns * 30)
        for unit in range(units):
            np.testing.assert_array_equal(shown[rectangle(unit, columns, 30)], weight[:, unit].reshape(28, 28))
        assert heading(figure) == "first layer"
        assert inside(figure)

    def test_beyond_100_units_the_title_says_what_is_shown(self) -> None:
        figure = plot.weights(np.ones((784, 300)), title="first layer (synthetic)")
        assert heading(figure) == "first layer (synthetic)\nthe first 100 of 300 units"
        assert pixels(figure).shape == (300, 300)

    def test_the_scale_is_symmetric_and_explained(self) -> None:
        figure = plot.weights(np.linspace(-1, 3, 784 * 2).reshape(784, 2))
        picture = figure.axes[0].images[0]
        low, high = picture.get_clim()
        assert low == -high
        assert 2.9 < high <= 3
        assert np.allclose(picture.to_rgba(0)[:3], picture.to_rgba(0)[0], atol=0.02)  # grey, neither red nor blue
        red, _, blue, _ = picture.to_rgba(high)
        assert red > blue
        (bar,) = figure.axes[0].child_axes
        assert bar.get_ylabel() == "weight"

    @pytest.mark.parametrize("value", [0, np.nan, np.inf])
    def test_weights_without_a_scale_are_drawn(self, value: float) -> None:
        draw(plot.weights(np.full((784, 3), value)))

    @pytest.mark.parametrize("shape", [(784,), (783, 10), (10, 784), (784, 0), (784, 2, 2), (0, 784, 2)])
    def test_other_shapes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=re.escape(f"shape {shape}, but must have (784, units)")):
            plot.weights(np.zeros(shape))

    def test_epochs_are_rows_on_one_scale(self) -> None:
        history = list(np.random.default_rng(0).normal(size=(3, 784, 12)).astype(np.float32))
        history[0] *= 0.1
        figure = plot.weights(history, title="first layer")
        shown, high = pixels(figure), 28 + mosaics.GAP + mosaics.CAPTION
        for epoch, unit in np.ndindex(3, 10):
            tile = shown[rectangle(epoch * 10 + unit, 10, high)]
            np.testing.assert_array_equal(tile, history[epoch][:, unit].reshape(28, 28))
        assert texts(figure)[::10] == [text for text in texts(figure) if text] == ["epoch 0", "epoch 1", "epoch 2"]
        assert heading(figure) == "first layer\nthe first 10 of 12 units"
        assert inside(figure)
        assert png(figure) == png(plot.weights(np.stack(history), title="first layer"))
        tensors = [tg.Tensor(weight, requires_grad=True) for weight in history]
        assert png(figure) == png(plot.weights(tensors, title="first layer"))

    def test_a_history_of_one_array_that_training_changes_is_refused(self) -> None:
        layer = tg.nn.Linear(784, 2, rng=0)
        for history in ([layer.weight.numpy()] * 2, [layer.weight, layer.weight.detach()]):
            with pytest.raises(ValueError, match=r"append weight\.numpy\(\)\.copy\(\) instead"):
                plot.weights(history)


class TestTiles:
    @pytest.mark.parametrize("shape", [(8, 5, 5), (3, 12, 7), (1, 28, 28)])
    def test_each_image_is_drawn_whole(self, shape: tuple[int, ...]) -> None:
        images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        figure = plot.tiles(images, titles=range(len(images)), columns=4, title="kernels", label="weight")
        shown = pixels(figure)
        drawn = shown[np.isfinite(shown)].reshape(-1)
        np.testing.assert_array_equal(np.sort(drawn), np.sort(images.reshape(-1)))
        assert texts(figure) == [str(i) for i in range(len(images))]
        assert heading(figure) == "kernels"
        assert figure.axes[0].child_axes[0].get_ylabel() == "weight"
        assert inside(figure)

    def test_a_caption_stands_above_its_image(self) -> None:
        figure = plot.tiles(np.ones((2, 5, 5)), titles=["a", "b"], columns=2)
        rows, columns = np.nonzero(np.isfinite(pixels(figure)))
        for text, middle in zip(figure.axes[0].texts, (2.5, 8.5), strict=True):
            assert text.get_position()[0] == middle
            assert text.get_position()[1] < rows.min()
        assert sorted(set(columns)) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]

    def test_the_grid_is_near_square(self) -> None:
        assert pixels(plot.tiles(np.zeros((8, 5, 5)))).shape == (18, 18)

    @pytest.mark.parametrize("shape", [(5, 5), (0, 5, 5), (2, 3, 5, 5)])
    def test_other_shapes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=re.escape(f"shape {shape}, but must have (n, height, width)")):
            plot.tiles(np.zeros(shape))


class TestBoundary:
    points = np.array([[-1, -2], [-1, 2], [3, 0], [2, 1]], np.float32)
    labels = np.array([0, 0, 1, 1])

    @staticmethod
    def right_of_one(points: np.ndarray) -> np.ndarray:
        assert points.dtype == np.float32
        return 1 / (1 + np.exp(-5 * (points[:, 0] - 1)))

    def test_the_line_is_where_the_score_is_a_half(self) -> None:
        ax = plot.boundary(self.right_of_one, self.points, self.labels).axes[0]
        (line,) = [c for c in ax.collections if getattr(c, "levels", None) is not None and len(c.levels) == 1]
        vertices = np.concatenate([path.vertices for path in line.get_paths()])
        np.testing.assert_allclose(vertices[:, 0], 1, atol=0.02)
        assert np.ptp(vertices[:, 1]) > 4

    def test_points_are_coloured_by_class_and_all_is_labelled(self) -> None:
        figure = plot.boundary(self.right_of_one, self.points, self.labels, title="two classes")
        ax = figure.axes[0]
        scatters = {c.get_label(): c for c in ax.collections if c.get_label().startswith("class")}
        for label, colour in ((0, plot.BLUE), (1, plot.VERMILION)):
            scatter = scatters[f"class {label}"]
            np.testing.assert_array_equal(scatter.get_offsets(), self.points[self.labels == label])
            assert matplotlib.colors.to_hex(scatter.get_facecolor()[0]).upper() == colour
        legend = [text.get_text() for text in ax.get_legend().get_texts()]
        assert legend == ["score 0.5", "class 0", "class 1"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("x₁", "x₂")
        assert heading(figure) == "two classes"
        assert inside(figure)

    def test_every_point_lies_within_the_picture(self) -> None:
        ax = plot.boundary(self.right_of_one, self.points, self.labels).axes[0]
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        x, y = self.points.T
        assert left < x.min() <= x.max() < right
        assert bottom < y.min() <= y.max() < top

    @pytest.mark.parametrize("constant", [0.0, 0.5, 1.0, 40.0])
    def test_a_classifier_with_one_answer_has_no_line(self, constant: float) -> None:
        figure = plot.boundary(lambda points: np.full(len(points), constant), self.points, self.labels)
        draw(figure)
        legend = figure.axes[0].get_legend()
        assert [text.get_text() for text in legend.get_texts()] == ["class 0", "class 1"]

    def test_scores_beyond_0_and_1_are_covered(self) -> None:
        ax = plot.boundary(lambda points: 10 * points[:, 0], self.points, self.labels).axes[0]
        (areas,) = [c for c in ax.collections if getattr(c, "filled", False)]
        assert areas.levels[0] <= -14
        assert areas.levels[-1] >= 34
        assert areas.levels[0] + areas.levels[-1] == pytest.approx(1)  # 0.5 is white

    @pytest.mark.parametrize(
        ("factor", "ticks"),
        [
            (1, [0, 0.25, 0.5, 0.75, 1]),
            (1.2, [0, 0.25, 0.5, 0.75, 1]),
            (2, [-0.5, 0, 0.5, 1, 1.5]),
            (30, [-20, -10, 0, 10, 20]),
        ],
    )
    def test_the_colour_bar_has_round_ticks(self, factor: float, ticks: list[float]) -> None:
        figure = plot.boundary(lambda xy: factor * self.right_of_one(xy), self.points, self.labels)
        draw(figure)
        (bar,) = figure.axes[0].child_axes
        low, high = bar.get_ylim()
        np.testing.assert_allclose([tick for tick in bar.get_yticks() if low <= tick <= high], ticks, atol=1e-9)

    def test_the_legend_covers_nothing(self) -> None:
        figure = plot.boundary(self.right_of_one, self.points, self.labels, title="two classes")
        draw(figure)
        ax = figure.axes[0]
        legend = ax.get_legend().get_window_extent()
        heading = figure._suptitle.get_window_extent()
        assert ax.bbox.y1 <= legend.y0 < legend.y1 <= heading.y0
        assert ax.bbox.x0 <= legend.x0 < legend.x1 <= ax.bbox.x1

    def test_a_single_point_is_enough(self) -> None:
        draw(plot.boundary(self.right_of_one, self.points[:1], self.labels[:1]))

    def test_bad_input_is_refused(self) -> None:
        with pytest.raises(ValueError, match=re.escape("points have shape (4,), but must have (n, 2)")):
            plot.boundary(self.right_of_one, self.points[:, 0], self.labels)
        with pytest.raises(ValueError, match="4 points, 3 labels"):
            plot.boundary(self.right_of_one, self.points, self.labels[:3])
        with pytest.raises(ValueError, match="labels hold 2"):
            plot.boundary(self.right_of_one, self.points, self.labels + 1)
        with pytest.raises(ValueError, match=re.escape("predict returned the shape (40000, 2)")):
            plot.boundary(lambda points: points, self.points, self.labels)


class TestSave:
    @pytest.fixture
    def figure(self) -> Figure:
        return plot.curves(history(2))

    def test_a_png_of_the_figures_size_is_written(self, figure: Figure, tmp_path: Path) -> None:
        plot.save(figure, tmp_path / "curves.png")
        content = (tmp_path / "curves.png").read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
        np.testing.assert_allclose([width, height], figure.get_size_inches() * figure.dpi, atol=1)

    def test_a_string_is_a_path_too_and_an_old_file_is_replaced(self, figure: Figure, tmp_path: Path) -> None:
        path = tmp_path / "curves.png"
        path.write_text("old")
        plot.save(figure, str(path))
        assert path.read_bytes().startswith(b"\x89PNG")
        assert list(tmp_path.iterdir()) == [path]

    def test_a_failed_drawing_leaves_the_old_file_and_nothing_else(
        self, figure: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            raise RuntimeError("no ink")

        path = tmp_path / "curves.png"
        path.write_text("old")
        monkeypatch.setattr(figure, "draw", fail)
        with pytest.raises(RuntimeError, match="no ink"):
            plot.save(figure, path)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_failed_replacement_leaves_nothing_behind(self, figure: Figure, tmp_path: Path) -> None:
        path = tmp_path / "curves.png"
        path.mkdir()  # a file cannot replace a folder
        (path / "in the way").touch()
        with pytest.raises(OSError):  # noqa: PT011
            plot.save(figure, path)
        assert list(tmp_path.iterdir()) == [path]

    def test_a_missing_folder_is_an_error(self, figure: Figure, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            plot.save(figure, tmp_path / "missing" / "curves.png")


class TestAnimate:
    @staticmethod
    def figures(count: int) -> Iterator[Figure]:
        for frame in range(count):
            figure = plot.tiles(np.full((1, 4, 4), frame), title="a")
            figure.axes[0].images[0].set_clim(-3, 3)
            yield figure

    def test_frames_come_in_order_and_the_last_stays_longer(self, tmp_path: Path) -> None:
        plot.animate(self.figures(3), tmp_path / "a.gif", seconds=0.3)
        with Image.open(tmp_path / "a.gif") as film:
            assert (film.n_frames, film.info["loop"]) == (3, 0)
            for number, (figure, time) in enumerate(zip(self.figures(3), (300, 300, 2300), strict=True)):
                film.seek(number)
                assert film.info["duration"] == time
                expected = np.asarray(Image.open(io.BytesIO(png(figure))).convert("RGB"), int)
                seen = np.asarray(film.convert("RGB"), int)
                assert seen.shape == expected.shape
                assert np.abs(seen - expected).mean() < 2  # 256 colours

    def test_a_single_figure_is_a_film_too(self, tmp_path: Path) -> None:
        plot.animate(self.figures(1), str(tmp_path / "a.GIF"))
        assert (tmp_path / "a.GIF").read_bytes().startswith(b"GIF89a")

    def test_each_figure_is_drawn_before_the_next_is_made(self, tmp_path: Path) -> None:
        def one_figure() -> Iterator[Figure]:
            (figure,) = self.figures(1)
            for size in (3, 5):
                figure.axes[0].images[0].set_clim(-size, size)
                yield figure

        plot.animate(one_figure(), tmp_path / "a.gif")
        with Image.open(tmp_path / "a.gif") as film:
            assert film.n_frames == 2

    @pytest.mark.parametrize(
        ("figures", "path", "seconds", "message"),
        [
            (lambda: [], "a.gif", 0.2, "there are no figures"),
            (
                lambda: [plot.tiles([[[1]]], title=title) for title in (None, "b")],
                "a.gif",
                1,
                "figure 1 has (490, 402)",
            ),
            (lambda: [plot.tiles([[[1]]]), 7], "a.gif", 1, "the figures are matplotlib figures, but number 1 is 7"),
            (lambda: plot.tiles([[[1]]]), "a.gif", 1, "write animate([figure], path)"),
            (lambda: [plot.tiles([[[1]]])], "a.png", 1, "animate writes GIF files: name it a.gif"),
            (lambda: [plot.tiles([[[1]]])], "a.gif", 0, "seconds is 0, but must be from 0.02 to 60"),
        ],
    )
    def test_bad_input_is_refused_and_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures, path, seconds, message
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises((ValueError, TypeError), match=re.escape(message)):
            plot.animate(figures(), path, seconds)
        assert list(tmp_path.iterdir()) == []


class TestShow:
    @pytest.mark.parametrize("backend", ["agg", "template"])
    def test_without_a_display_it_says_to_save(self, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
        monkeypatch.setattr("matplotlib.pyplot.get_backend", lambda: backend)
        with pytest.raises(RuntimeError, match=re.escape("no display: save it with tg.plot.save(figure, path)")):
            plot.show(plot.curves(history(2)))

    def test_a_backend_without_its_display_says_so_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(**_: object) -> None:
            raise ImportError("Cannot load backend 'TkAgg', as 'headless' is currently running")

        monkeypatch.setattr("matplotlib.pyplot.get_backend", lambda: "tkagg")
        monkeypatch.setattr("matplotlib.pyplot.figure", fail)
        with pytest.raises(RuntimeError, match="no display: save it"):
            plot.show(plot.curves(history(2)))

    def test_each_figure_gets_a_window_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from matplotlib import pyplot

        shown = []
        monkeypatch.setattr(pyplot, "get_backend", lambda: "a backend with windows")
        monkeypatch.setattr(pyplot, "show", lambda: shown.extend(map(pyplot.figure, pyplot.get_fignums())))
        figures = [plot.curves(history(2)), plot.curves(history(3))]
        try:
            plot.show(*figures)
            assert shown == figures
        finally:
            pyplot.close("all")

    def test_a_notebook_shows_figures_below_the_cell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import IPython

        shown: list = []
        monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
        monkeypatch.setattr(IPython.display, "display", lambda *pictures: shown.extend(pictures))
        figures = [plot.curves(history(2)), plot.curves(history(3))]
        plot.show(*figures)
        assert [picture.data for picture in shown] == [png(figure) for figure in figures]

    def test_a_figure_at_the_end_of_a_cell_is_a_picture(self) -> None:
        from IPython.core.formatters import DisplayFormatter

        figure = plot.curves(history(2))
        data, _ = DisplayFormatter().format(figure)
        assert data["image/png"] == png(figure)

    def test_only_figures_can_be_shown(self) -> None:
        with pytest.raises(TypeError, match=re.escape("show takes figures: show(figure)")):
            plot.show()
        with pytest.raises(TypeError, match=re.escape("show takes figures: show(figure)")):
            plot.show(plot.curves(history(2)), [1])  # type: ignore[arg-type]


def test_importing_the_module_does_not_import_matplotlib_and_drawing_does_not_import_pyplot() -> None:
    program = (
        "import sys; from tinygrad_lite import plot; assert 'matplotlib' not in sys.modules; "
        "plot.digits([[0.0] * 784]); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(plot.__file__).parents[2])


def test_the_style_ends_with_the_drawing() -> None:
    before = {key: matplotlib.rcParams[key] for key in plot.STYLE}
    plot.curves(history(2))
    assert {key: matplotlib.rcParams[key] for key in plot.STYLE} == before


ROWS = np.random.default_rng(0).random((6, 784), np.float32)
LABELS = np.arange(6) % 2
POINTS = ROWS[:, :2]


@pytest.mark.parametrize("requires_grad", [False, True])
def test_pictures_take_tensors_as_they_take_arrays(requires_grad):
    def tensor(x):
        return tg.Tensor(x, requires_grad=requires_grad and x.dtype.kind == "f")

    def figures(of):
        yield plot.digits(of(ROWS), titles=of(LABELS))
        yield plot.mistakes(of(ROWS), of(LABELS), of(1 - LABELS))
        yield plot.confusion(of(LABELS), of(LABELS), 2)
        yield plot.weights(of(ROWS.T.copy()))
        yield plot.tiles(of(ROWS.reshape(-1, 28, 28)), titles=of(LABELS))
        yield plot.boundary(lambda x: of(x)[:, 0], of(POINTS), of(LABELS))

    for given, expected in zip(figures(tensor), figures(np.asarray), strict=True):
        assert png(given) == png(expected)


@pytest.mark.parametrize(
    ("draw_it", "remedy"),
    [
        (lambda: plot.digits(tg.data.Split(ROWS, LABELS)), "not a Split: write .images"),
        (lambda: plot.digits(ROWS.reshape(6, 1, 28, 28)), ": write .reshape(-1, 28, 28)"),
        (lambda: plot.digits("digit.png"), "the images are an array or a Tensor of numbers, not str"),
        (lambda: plot.digits(ROWS, columns=2.5), "columns is 2.5, but must be a whole number of at least 1"),
        (lambda: plot.mistakes(ROWS, LABELS[:, None], LABELS), "mistakes: the labels have shape (6, 1)"),
        (lambda: plot.mistakes(ROWS, LABELS, LABELS[:, None]), "must have (n,) with n at least 1: write .ravel()"),
        (lambda: plot.mistakes(ROWS, LABELS, ROWS), "write .argmax(axis=1) for the class of each row"),
        (lambda: plot.mistakes(ROWS, LABELS, LABELS[:3]), "6 images, 6 labels, 3 predictions"),
        (lambda: plot.confusion(LABELS[:, None], LABELS), "write .ravel()"),
        (lambda: plot.confusion(LABELS, ROWS), "write .argmax(axis=1) for the class of each row"),
        (lambda: plot.confusion(["a"], ["b"]), "the labels are an array or a Tensor of numbers, not list"),
        (lambda: plot.boundary(lambda x: x, POINTS, LABELS), "let it return [:, 1]"),
        (lambda: plot.boundary(lambda x: x[:, :1], POINTS, LABELS), "let it return [:, 0]"),
        (lambda: plot.boundary(POINTS, lambda x: x, LABELS), "the points are an array or a Tensor of numbers"),
        (lambda: plot.weights(ROWS), "a column for each unit: write .T"),
        (lambda: plot.tiles(ROWS.reshape(-1, 1, 28, 28)), "write [:, 0] for images of one channel"),
        (lambda: plot.tiles(ROWS.reshape(-1, 28, 28), columns=0), "columns is 0"),
        (lambda: plot.curves({"history": []}), 'metrics["history"] of a run'),
        (lambda: plot.curves([0.3, 0.2]), "a list with a dictionary for each epoch"),
        (lambda: plot.save("x.png", plot.digits(ROWS)), "must be a figure, not a str: save(figure, path)"),
        (lambda: plot.save(plot.digits(ROWS), "x.jpg"), "x.jpg: save writes PNG files: name it x.png"),
    ],
)
def test_what_does_not_fit_is_answered_with_what_to_write(tmp_path, monkeypatch, draw_it, remedy):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, TypeError)) as caught:
        draw_it()
    assert remedy in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_has_a_line_through_the_means_and_a_cross_for_what_diverged():
    runs = [0.1, 0.1, 1, 10], [0.8, 0.9, 0.95, np.nan], [0.1, 0.2, 0.1, 0.2]
    ax = plot.sweep(*runs, title="Rates").axes[0]
    line, points, initial, *_, crosses = ax.get_lines()
    np.testing.assert_allclose(line.get_xydata(), [[0.1, 85], [1, 95], [10, np.nan]])
    np.testing.assert_allclose(points.get_ydata(), [80, 90, 95, np.nan])
    np.testing.assert_allclose(initial.get_ydata(), 15)
    np.testing.assert_allclose(crosses.get_xydata(), [[10, 0]])
    assert [text.get_text() for text in ax.texts] == ["85.0", "95.0"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "after training",
        "before training",
        "diverged",
    ]
    assert ax.get_xscale() == "log"


def test_a_sweep_has_a_line_for_each_label_of_its_own_colour():
    labels = [f"hidden {hidden}" for hidden in (5, 10, 30) for _ in range(2)]
    figure = plot.sweep([0.1, 1] * 3, [0.5, 0.6, 0.7, 0.8, 0.9, 0.95], [0.1] * 6, labels)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["hidden 5", "hidden 10", "hidden 30", "before training"]
    assert len({tuple(line.get_color()) for line in figure.axes[0].get_lines()[:-1]}) == 3
    assert not figure.axes[0].texts


@pytest.mark.parametrize(
    ("rates", "ticks"),
    [([0.05, 0.1, 0.45, 1, 10], [0.05, 0.1, 0.45, 1, 10]), ([0.3], [0.3]), ([0.1, 0.101, 10], [0.1, 1, 10])],
)
def test_a_sweep_has_ticks_at_its_rates_where_there_is_room(rates, ticks):
    ax = plot.sweep(rates, [0.5] * len(rates), [0.1] * len(rates)).axes[0]
    low, high = ax.get_xlim()
    np.testing.assert_allclose([x for x in ax.get_xticks() if low <= x <= high], ticks)


@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf])
def test_a_sweep_refuses_what_no_logarithmic_axis_has(rate):
    with pytest.raises(ValueError, match=r"sweep: .* must be positive, not"):
        plot.sweep([0.1, rate], [0.5, 0.5], [0.1, 0.1])


def test_a_sweep_needs_as_many_of_all():
    with pytest.raises(ValueError, match="2 rates, 1 accuracies"):
        plot.sweep([0.1, 1], [0.5], [0.1, 0.1])
    with pytest.raises(tg.ShapeError, match=r"the rates have shape \(0,\)"):
        plot.sweep([], [], [])
