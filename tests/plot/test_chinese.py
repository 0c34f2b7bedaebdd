"""Labels are Chinese where asked for and where a font has the characters; else one line says which to install."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.text import Text

import tinygrad_lite as tg
from tests.plot.test_plot import heading, history, inside
from tinygrad_lite import nn, plot
from tinygrad_lite.plot import chinese
from tinygrad_lite.plot.output import png
from tinygrad_lite.plot.style import add_axes, in_style, new_figure

STAND_IN = (
    "DejaVu Sans Mono"  # comes with matplotlib, so its name is known everywhere, but it has no Chinese characters
)


@pytest.fixture(autouse=True)
def english(monkeypatch):
    """Begin and end with English, and with the fonts that matplotlib lists now."""
    fonts = font_manager.fontManager
    monkeypatch.setattr(chinese, "_chosen", "en")
    monkeypatch.setattr(fonts, "ttflist", [*fonts.ttflist])
    for once in (chinese._list_new_fonts, chinese._tell_of_fonts):
        once.cache_clear()
    yield
    for once in (chinese._list_new_fonts, chinese._tell_of_fonts):
        once.cache_clear()


@pytest.fixture
def without_font(monkeypatch):
    monkeypatch.setattr(chinese, "FONTS", ())
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])


def pictures():
    """Yield every kind of picture, with each text that the library has for it."""
    images = np.random.default_rng(0).random((120, 784), np.float32)
    labels = np.arange(120) % 2
    net = nn.Sequential(nn.Linear(784, 12, rng=0), nn.ReLU(), nn.Linear(12, 2, rng=1))
    yield plot.curves(history(3))
    yield plot.sweep([0.1, 1.0], [0.9, np.nan], [0.1, 0.1])
    yield plot.digit(tg.data.Split(images, labels), 7)
    yield plot.digit(images, 7)
    yield plot.digits(images[:2])
    yield plot.mistakes(images, labels, labels)
    yield plot.mistakes(images, labels, 1 - labels)
    yield plot.mistakes(images, labels, 1 - labels, most=120)
    yield plot.confusion(labels, labels, 2)
    yield plot.weights([net[0].weight.numpy().copy() for _ in range(2)])
    yield plot.tiles(images.reshape(-1, 28, 28)[:2])
    yield plot.boundary(lambda points: points[:, 0], images[:, :2], labels)
    yield plot.loss_over(lambda: nn.functional.cross_entropy(net(images), labels), net[2].weight, (0, 0))
    w = tg.Tensor(1.0, requires_grad=True)
    yield plot.loss_over(lambda: w * w, w)
    yield plot.graph(nn.functional.cross_entropy(net(images), labels))
    yield plot.graph(nn.TransformerBlock(4, 2, rng=0)(tg.Tensor(np.ones((2, 5, 4), np.float32))))


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.filterwarnings("ignore:Glyph")  # which the stand-in lacks
def test_every_label_is_chinese_and_none_is_left_over(monkeypatch):
    used = set()

    class Table(dict):
        def __getitem__(self, text):
            used.add(text)
            return super().__getitem__(text)

    monkeypatch.setattr(chinese, "CHINESE", Table(chinese.CHINESE))
    monkeypatch.setattr(chinese, "FONTS", (STAND_IN,))
    plot.language("zh")
    english = [re.sub(r"\\{.*?\\}", ".*", re.escape(text)) for text in chinese.CHINESE]
    for figure in pictures():
        assert not [text for text in texts(figure) if re.fullmatch("|".join(english), text)]
        for text in figure.findobj(Text):
            assert (text.get_fontfamily()[1:] == [STAND_IN]) == bool(chinese.HAN.search(text.get_text()))
    assert used == {*chinese.CHINESE}


def test_a_translation_has_the_values_of_its_original():
    for english, translated in chinese.CHINESE.items():
        assert chinese.HAN.search(translated)
        assert sorted(re.findall("{.*?}", english)) == sorted(re.findall("{.*?}", translated))


def test_english_comes_back(monkeypatch):
    before = png(plot.curves(history(2)))
    monkeypatch.setattr(chinese, "FONTS", (STAND_IN,))
    assert plot.language("zh") == "zh"
    assert plot.curves(history(2)).axes[0].get_xlabel() == "轮次"
    assert plot.language("en") == "en"
    assert png(plot.curves(history(2))) == before


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="'fr' is no language of the pictures"):
        plot.language("fr")


@in_style
def with_names_on_an_axis():
    figure = new_figure(3, 3, None)
    add_axes(figure, 1, 1, 1, 1).set(xticks=range(2), xticklabels=["鞋", "7"])
    return figure


@pytest.mark.usefixtures("without_font")
class TestWithoutAFont:
    def test_labels_stay_english_and_a_line_says_which_font_to_install(self):
        with pytest.warns(UserWarning, match="install the font Noto Sans CJK SC") as told:
            assert plot.language("zh") == "en"
        assert len(told) == 1
        assert "\n" not in str(told[0].message)
        assert told[0].filename == __file__
        assert plot.curves(history(2)).axes[0].get_xlabel() == "epoch"

    def test_chinese_titles_become_question_marks_and_nothing_else_is_warned_of(self):
        with pytest.warns(UserWarning, match="Chinese titles become") as told:
            figure = plot.digits(np.ones((2, 784)), titles=["七", "x"], title="数字，MNIST")
        plot.digits(np.ones((1, 784)), title="数字")  # is not told again, which would be an error here
        assert [str(line.message) for line in told] == [chinese.NO_FONT]
        assert heading(figure) == "???MNIST"
        assert [text.get_text() for text in figure.axes[0].texts] == ["?", "x"]
        assert inside(figure)  # draws it: a missing glyph would be an error here

    def test_names_on_an_axis_become_question_marks_too(self):
        with pytest.warns(UserWarning, match="Chinese titles become"):
            figure = with_names_on_an_axis()
        assert inside(figure)
        assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["?", "7"]

    def test_a_graph_with_chinese_names_is_measured_as_it_is_drawn(self):
        w = tg.Tensor(1.0, requires_grad=True, name="权重")
        with pytest.warns(UserWarning, match="Chinese titles become") as told:
            figure = plot.graph(w * w, title="图")
        assert [str(line.message) for line in told] == [chinese.NO_FONT]
        assert "?? = 1" in texts(figure)
        assert inside(figure)

    def test_a_value_shown_by_a_notebook_says_so_too(self):
        w = tg.Tensor(1.0, requires_grad=True, name="权重")
        with pytest.warns(UserWarning, match="Chinese titles become") as told:
            assert (w * w)._repr_png_()
        assert len(told) == 1


def test_a_font_that_matplotlib_has_not_listed_yet_is_found(monkeypatch, tmp_path):
    path = font_manager.findfont(STAND_IN)
    (tmp_path / "damaged.ttf").write_text("no font")
    listed = [font for font in font_manager.fontManager.ttflist if font.name != STAND_IN]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", listed)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(tmp_path / "damaged.ttf"), path])
    monkeypatch.setattr(chinese, "FONTS", ("a font of nobody", STAND_IN))
    assert chinese._font() == STAND_IN


def test_an_installed_font_has_every_character(caplog):
    font = chinese._font()
    if font is None:
        pytest.skip("no font with Chinese characters is installed")
    glyphs = font_manager.get_font(font_manager.findfont(font)).get_charmap()
    assert {*"".join(chinese.HAN.findall("".join(chinese.CHINESE.values())))} <= {*map(chr, glyphs)}
    figure = plot.digits(np.ones((1, 784)), titles=["七"], title="数字，MNIST")
    for form in ("png", "svg", "pdf"):
        figure.savefig(io.BytesIO(), format=form)  # a missing glyph would be an error here
    assert heading(figure) == "数字，MNIST"
    w = tg.Tensor(1.0, requires_grad=True, name="权重")
    assert inside(plot.graph(w * w, title="损失 $L = w^2$"))
    assert inside(with_names_on_an_axis())
    assert not [line for line in caplog.messages if "glyph" in line]
    plot.language("zh")
    assert inside(plot.curves(history(2), title="学习曲线"))
