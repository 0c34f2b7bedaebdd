"""The language of the texts in pictures: each text in Chinese too, and a font that has its characters.

tg.plot.language("zh")
"""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from ..support.call_stack import frames_to_user

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHINESE = {
    # Learning curves, confusion matrices, decision boundaries
    "epoch": "轮次",
    "loss (mean per sample)": "损失（每个样本的平均值）",
    "accuracy (%)": "准确率（%）",
    "train": "训练集",
    "valid": "验证集",
    "{right:,} of {total:,} read right": "共 {total:,} 个，识别正确 {right:,} 个",
    "read as": "识别为",
    "true class": "真实类别",
    "share of the true class (%)": "占真实类别的比例（%）",
    "class {label}": "类别 {label}",
    "score {score}": "得分 {score}",
    "score of class 1": "类别 1 的得分",
    # A sweep over learning rates
    "learning rate": "学习率",
    "validation accuracy (%)": "验证集准确率（%）",
    "after training": "训练之后",
    "before training": "训练之前",
    "diverged": "发散",
    # Digits, weights, kernels
    "image {i}": "图 {i}",
    "image {i}: label {label}": "图 {i}：标签 {label}",
    "No mistakes: all {total:,} digits were read right.": "没有错误：{total:,} 个数字全部识别正确。",
    "{wrong:,} of {total:,} misread: true → read": "共 {total:,} 个，识别错误 {wrong:,} 个：真实 → 识别",
    "{wrong:,} of {total:,} misread, the first {shown} shown: true → read": (
        "共 {total:,} 个，识别错误 {wrong:,} 个，显示前 {shown} 个：真实 → 识别"
    ),
    "the first {most} of {units} units": "共 {units} 个单元，显示前 {most} 个",
    "epoch {number}": "第 {number} 轮",
    "value": "值",
    "weight": "权重",
    # The loss over a weight
    "loss": "损失",
    "tangent, its slope {slope} is the gradient": "切线，斜率 {slope} 即梯度",
    "now: weight {weight}, loss {loss}": "当前：权重 {weight}，损失 {loss}",
    # Graphs
    "input or constant": "输入或常数",
    "parameter": "参数",
    "result": "中间结果",
    "output": "输出",
    "{count:,} parameters": "{count:,} 个参数",
}
HAN = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")  # with kana, and the punctuation between them
FONTS = (  # the better readable first; older versions of matplotlib know only the first name in a file, that with JP
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Microsoft YaHei", "PingFang SC"),
    *("Hiragino Sans GB", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "Heiti SC", "STHeiti", "Songti SC"),
    *("SimSun", "Arial Unicode MS", "Noto Sans CJK JP", "Heiti TC", "Droid Sans Fallback"),
)
NO_FONT = (
    "no font with Chinese characters is installed, so labels in pictures stay English, and Chinese titles become ???: "
    "install the font Noto Sans CJK SC, on Debian and Ubuntu by apt install fonts-noto-cjk"
)

_chosen: Literal["en", "zh"] = "en"


def language(name: Literal["en", "zh"]) -> Literal["en", "zh"]:
    """Choose the language of the texts that pictures have by themselves: English or Chinese.

    Titles and names that users give are shown as they are, in either language.

    Parameters
    ----------
    name : {"en", "zh"}
        The language of all pictures that are drawn from now on. If no font with Chinese characters is installed, they
        stay English, and a warning says which font to install.

    Returns
    -------
    {"en", "zh"}
        The language that the pictures have now, so that titles of yours can be in the same.

    Raises
    ------
    ValueError
        If the name is another one.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> tg.plot.language("en")
    'en'
    >>> tg.plot.digit([[[0.0] * 28] * 28], 0).get_suptitle()
    'image 0'
    """
    global _chosen
    if name not in ("en", "zh"):
        raise ValueError(f'language: {name!r} is no language of the pictures: write "en" for English, "zh" for Chinese')
    if name == "zh" and not _font():
        _tell_of_fonts()
        name = "en"
    _chosen = name
    return _chosen


def words(text: str, **values: object) -> str:
    """Return a text of `CHINESE` in the chosen language, with values at the places for them."""
    return (CHINESE[text] if _chosen == "zh" else text).format(**values)


def families(text: str) -> list[str]:
    """Return the fonts for a text: those of matplotlib's settings, and one with Chinese characters if it has some."""
    from matplotlib import rcParams

    font = _font() if HAN.search(text) else None
    usual = rcParams["font.family"]
    if font is None:
        return usual
    # Words around a formula have one font, the first; elsewhere a font leaves the characters it lacks to the next.
    return [font, *usual] if "$" in text else [*usual, font]


def legible(text: str) -> str:
    """Return a text as it can be drawn: where no font has Chinese characters, they become question marks."""
    if not HAN.search(text) or _font():
        return text
    _tell_of_fonts()
    return HAN.sub("?", text)


def make_legible(figure: Figure) -> Figure:
    """Give the texts of a figure that have Chinese characters a font that has them."""
    from matplotlib.axis import Axis
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    axes: Any = figure.findobj(Axis)
    for axis in axes:
        if isinstance(axis.get_major_formatter(), FixedFormatter | FuncFormatter):  # names, written at each drawing
            names = [text.get_text() for text in axis.get_ticklabels()]
            if HAN.search("".join(names)):
                axis.set_ticks(axis.get_ticklocs(), labels=[*map(legible, names)])
    texts: Any = figure.findobj(Text)
    for text in texts:
        if HAN.search(text.get_text()):
            text.set_fontfamily(families(text.get_text()))
            text.set_text(legible(text.get_text()))
    return figure


@cache
def _tell_of_fonts() -> None:
    """Warn that no font is installed, but not again at the next picture."""
    warnings.warn(NO_FONT, stacklevel=frames_to_user())


def _font() -> str | None:
    """Return the name of an installed font with Chinese characters."""
    font = _known_font()
    if font is None:
        _list_new_fonts()
        font = _known_font()
    return font


def _known_font() -> str | None:
    from matplotlib.font_manager import fontManager

    known = {font.name for font in fontManager.ttflist}
    return next((name for name in FONTS if name in known), None)


@cache
def _list_new_fonts() -> None:
    """Let matplotlib know the fonts that were installed after it first ran and wrote its list."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    for path in {*findSystemFonts()} - {font.fname for font in fontManager.ttflist}:
        with suppress(Exception):  # what is no font, or damaged, stays out of the list, as in matplotlib's own
            fontManager.addfont(path)
