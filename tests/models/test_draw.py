"""The page that ``draw`` writes, in a real browser: it reads what is drawn as the library reads it."""

from __future__ import annotations

import json
import re
import webbrowser
from base64 import b64decode

import numpy as np
import pytest

import tinygrad_lite as tg
from models import lenet, mnist
from models.command.predict import probabilities
from models.command.record import Record
from tests.browser import Browser, needs_browser
from tests.models.small import small_digits
from tests.models.strokes import strokes_of
from tests.real import needs_mnist
from tinygrad_lite.data import Batches, load_mnist, read_idx, read_images
from tinygrad_lite.nn.functional import one_hot

TOO_LARGE = 500_000


def saved(folder, data, kind):
    """Train a net for a moment, and leave its checkpoint in a folder."""
    net = mnist.Net(rng=0)
    optimizer = tg.optim.SGD(net.parameters(), 10**-0.35)
    batches = Batches(data.train.images, one_hot(data.train.labels, 10), 100)
    mnist.train(tg.jit(mnist.training_step(net, optimizer)), batches)
    record = Record(folder / "checkpoint.npz", kind, {"hidden": 90, "dtype": "float32"}, net, optimizer, batches)
    record.metrics["test_accuracy"] = 0.9
    record.save()
    record.write_metrics()
    return net


@pytest.fixture
def small_run(tmp_path, small):
    return tmp_path, saved(tmp_path, small_digits(), "mnist")


# The command.


def test_the_page_is_one_file_that_loads_nothing(small_run, capsys):
    folder, _ = small_run
    assert mnist.main(["draw", "--out", str(folder), "--no-open"]) == 0
    page = folder / "draw.html"
    assert capsys.readouterr().out.startswith(f"the page is {page} (4")
    assert page.stat().st_size < TOO_LARGE
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|\bsrc=|\bhref=|@import|\{\{", text)
    assert '"accuracy": 0.9' in text


def test_the_page_is_opened_in_the_browser(small_run, capsys, monkeypatch):
    folder, _ = small_run
    for is_there, words in ((True, ""), (False, "No browser was found")):
        opened = []
        monkeypatch.setattr(
            webbrowser, "open", lambda uri, opened=opened, is_there=is_there: opened.append(uri) or is_there
        )
        assert mnist.main(["draw", "--out", str(folder)]) == 0
        assert opened == [(folder / "draw.html").resolve().as_uri()]
        assert words in capsys.readouterr().out


def test_where_no_net_is_trained_the_command_that_trains_one_is_told(tmp_path, capsys):
    assert mnist.main(["draw", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"holds no trained net. This trains one: python -m models.mnist --out {tmp_path}\n" in error


def test_one_byte_a_weight_is_smaller_and_tells_the_accuracy(small_run, capsys):
    folder, net = small_run
    assert mnist.main(["draw", "--out", str(folder), "--no-open", "--in-bytes"]) == 0
    told = re.search(r"with one byte a weight: (0\.\d+); it is (0\.\d+) without", capsys.readouterr().out)
    assert float(told[2]) == pytest.approx(mnist.evaluate(net, small_digits().test)[1], abs=1e-4)
    assert (folder / "draw.html").stat().st_size < TOO_LARGE / 2


def test_a_new_run_sets_the_page_aside_with_the_run_that_it_shows(small_run, unpainted):
    folder, _ = small_run
    mnist.main(["draw", "--out", str(folder), "--no-open"])
    mnist.main(["--out", str(folder), "--quiet", "--epochs", "1"])
    assert not (folder / "draw.html").exists()
    assert (folder.with_name(f"{folder.name}.1") / "draw.html").is_file()


# The page.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("draw")
    return folder, saved(folder, load_mnist(), "mnist")


@pytest.fixture(scope="module")
def browser(run):
    folder, _ = run
    assert mnist.main(["draw", "--out", str(folder), "--no-open"]) == 0
    with Browser() as browser:
        browser.screen(1200)
        browser.open(folder / "draw.html")
        yield browser


@pytest.fixture
def page(browser):
    """Return the browser with the page as it was at first."""
    browser.screen(1200)
    browser.run("keep([]); $('pen').click(); $('width').value = 40; clear(); show(); choose(null)")
    browser.run("if (words !== WORDS.en) $('language').click()")
    return browser


def drawn(page, lines):
    """Draw lines by pointer events; the paper is the square from 0 to 1."""
    page.run(
        "(() => { PAPER.setPointerCapture = () => {}; const box = PAPER.getBoundingClientRect();"
        "const point = (kind, [x, y]) => PAPER.dispatchEvent(new PointerEvent(kind, { isPrimary: true, buttons: 1,"
        "  clientX: box.left + x * box.width, clientY: box.top + y * box.height }));"
        f"for (const line of {json.dumps(lines)}) {{ point('pointerdown', line[0]);"
        "  for (const at of line) point('pointermove', at); point('pointerup', line.at(-1)); } })()"
    )


def of_paper(page, points):
    """Return where points of the paper, from 0 to 1, are on the screen."""
    left, top, width = page.run("(({ left, top, width }) => [left, top, width])(PAPER.getBoundingClientRect())")
    return [(left + x * width, top + y * width) for x, y in points]


@needs_browser
@needs_mnist
def test_probabilities_are_those_of_the_library(page, run):
    images = load_mnist().test.images[:200]
    pixels = np.rint(255 * images).astype(int).ravel().tolist()
    found = page.run(f"[...read({pixels}).output.data]")
    np.testing.assert_allclose(np.reshape(found, (200, 10)), probabilities(run[1], images), atol=1e-5, rtol=0)


@needs_browser
@needs_mnist
@pytest.mark.parametrize("count", [20, pytest.param(100, marks=pytest.mark.whole)])
def test_what_is_drawn_is_framed_and_read_as_predict_does(page, run, tmp_path, count):
    same = 0
    for image in load_mnist().test.images[:count]:
        page.run("clear()")
        drawn(page, strokes_of(image))
        url, seen, heading = page.run("[PAPER.toDataURL(), [...picture], $('read-heading').textContent]")
        (tmp_path / "drawing.png").write_bytes(b64decode(url.partition(",")[2]))
        read = read_images(tmp_path / "drawing.png")
        assert np.abs(255 * read[0] - seen).max() < 1.5
        same += heading.startswith(f"It reads {probabilities(run[1], read)[0].argmax()}: ")
    assert same >= 0.95 * count


@needs_browser
@needs_mnist
@pytest.mark.parametrize(
    ("edge", "count"), [(0.1, 12), (0.0, 12), *(pytest.param(edge, 80, marks=pytest.mark.whole) for edge in (0.1, 0.0))]
)
def test_dots_dirt_and_strokes_apart_or_at_the_border_are_framed_as_predict_does(page, tmp_path, edge, count):
    rng, compared = np.random.default_rng(1), 0
    page.run("$('width').value = 16")
    drawn(page, [[(0.5, 0.5)]])  # a dot is none yet
    assert page.run("picture") is None
    for _ in range(count):
        page.run("clear()")
        for _ in range(rng.integers(1, 5)):
            points = rng.uniform(0.15, 0.85, 2) + rng.normal(0, rng.choice([0.01, 0.1, 0.4]), (rng.integers(1, 6), 2))
            page.run(f"$('width').value = {rng.integers(16, 73)}")
            drawn(page, [np.clip(points, edge, 1 - edge).tolist()])
        url, seen, marks = page.run("[PAPER.toDataURL(), picture && [...picture], marks]")
        (tmp_path / "drawing.png").write_bytes(b64decode(url.partition(",")[2]))
        if seen is None:
            with pytest.raises(tg.DataError, match=f"found {marks} separate marks" if marks else "a digit that stands"):
                read_images(tmp_path / "drawing.png")
        else:
            assert np.abs(255 * read_images(tmp_path / "drawing.png")[0] - seen).max() < 1.5
            compared += 1
    assert compared > count / 3


@needs_browser
@needs_mnist
@pytest.mark.parametrize(
    "lines",
    [
        [[(0, 0), (0, 1)]],  # along the border
        [[(0, 0.02), (1, 0.02), (0.4, 1)]],
        [[(0.5, 0), (0.5, 1)], [(0, 0.5), (1, 0.5)]],
        [[(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]],
    ],
)
def test_what_touches_the_border_is_whole_for_the_page_and_for_predict(page, tmp_path, lines):
    drawn(page, lines)
    url, seen = page.run("[PAPER.toDataURL(), [...picture]]")
    (tmp_path / "drawing.png").write_bytes(b64decode(url.partition(",")[2]))
    assert np.abs(255 * read_images(tmp_path / "drawing.png")[0] - seen).max() < 1.5


@needs_browser
@needs_mnist
def test_two_digits_are_asked_to_be_one(page):
    drawn(page, [[(0.3, 0.2), (0.3, 0.8)], [(0.7, 0.2), (0.7, 0.8)]])
    assert page.run("$('read-heading').textContent") == "2 separate marks: draw one digit"
    assert page.run("picture === null && [...$('answers').children].every((button) => button.disabled)")


@needs_browser
@needs_mnist
def test_the_mouse_draws_erases_and_clears(page):
    bar = [(0.5, y) for y in np.linspace(0.2, 0.8, 5)]
    page.stroke(of_paper(page, bar))
    assert page.run("$('read-heading').textContent").startswith("It reads 1: ")
    assert page.run("$('spoken').textContent === $('read-heading').textContent && $('hint').hidden")
    shares = page.run("[...$('bars').children].map((row) => parseFloat(row.querySelector('.bar').style.width))")
    np.testing.assert_allclose(sum(shares), 100, atol=0.1)
    assert page.run("$('bars').querySelector('.first').firstChild.textContent") == "1"
    ink = page.run("inkOnPaper().reduce((a, b) => a + b)")
    page.run("$('eraser').click()")
    page.stroke(of_paper(page, bar[2:]))
    assert 0.3 * ink < page.run("inkOnPaper().reduce((a, b) => a + b)") < 0.7 * ink
    page.run("$('clear').click(); show()")
    assert page.run("$('read-heading').textContent === words.readsNothing && !$('hint').hidden && picture === null")


@needs_browser
@needs_mnist
def test_a_finger_and_the_keyboard_draw_too(page):
    page("Emulation.setTouchEmulationEnabled", enabled=True)
    start, end = of_paper(page, [(0.5, 0.2), (0.5, 0.7)])
    for kind, points in (("touchStart", [start]), ("touchMove", [end]), ("touchEnd", [])):
        page("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y} for x, y in points])
    assert page.run("$('read-heading').textContent").startswith("It reads 1: ")
    page("Emulation.setTouchEmulationEnabled", enabled=False)
    page.run("clear(); show(); PAPER.focus()")
    for key in (" ", *["ArrowDown"] * 20, " ", "ArrowRight"):
        page("Input.dispatchKeyEvent", type="keyDown", key=key)
    top = page.run("inkOnPaper().findIndex((x) => x > 0.5) / PAPER.width")
    assert top == pytest.approx(128 - 20, abs=3)  # the pen began at a quarter of the height; half its width above
    page("Input.dispatchKeyEvent", type="keyDown", key="Delete")
    assert page.run("!inkOnPaper().some((x) => x)")


@needs_browser
@needs_mnist
def test_the_weights_of_a_unit_are_shown_as_an_image(page, run):
    weight = run[1].hidden.weight.numpy()
    drawn(page, [[(0.5, 0.2), (0.5, 0.8)]])
    page.run("$('units').children[17].focus()")
    assert page.run("$('unit').textContent").startswith("Unit 18 answers ")
    page("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight")
    assert page.run("$('unit').textContent").startswith("Unit 19 answers ")
    pixels = page.run("[...$('weights').getContext('2d').getImageData(0, 0, 28, 28).data]")
    wanted = np.abs(weight[:, 18]) / np.abs(weight[:, 18]).max()
    np.testing.assert_allclose(np.array(pixels[3::4]) / 255, wanted, atol=1 / 255)


@needs_browser
@needs_mnist
def test_mistakes_are_kept_and_downloaded_as_files_that_predict_reads(page, run, capsys, tmp_path):
    for label, line in ((7, [(0.2, 0.2), (0.8, 0.2), (0.4, 0.9)]), (1, [(0.5, 0.1), (0.5, 0.8)])):
        page.run("clear()")
        drawn(page, [line])
        page.run(f"$('answers').children[{label}].click(); $('answers').children[{label}].click()")  # once is enough
    assert page.run("$('kept').children.length") == 2
    files = page.run("Object.entries(files()).map(([name, bytes]) => [name, [...bytes]])")
    for name, content in files:
        (tmp_path / name).write_bytes(bytes(content))
    assert [name for name, _ in files] == ["drawn-images-idx3-ubyte", "drawn-labels-idx1-ubyte"]
    assert read_idx(tmp_path / files[1][0]).tolist() == [7, 1]
    assert mnist.main(["predict", str(tmp_path / files[0][0]), "--out", str(run[0])]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    read = page.run("kept.map(({ found }) => found)")
    assert [int(row.split()[-11]) for row in rows] == read
    page.run("$('kept').querySelector('button').click()")
    assert page.run("kept.map(({ label }) => label)") == [1]


@needs_browser
@needs_mnist
def test_all_is_said_in_both_languages_and_fits_a_phone_in_dark_too(page, tmp_path):
    keys = page.run("Object.values(WORDS).map((words) => Object.keys(words).sort())")
    assert keys[0] == keys[1]
    grounds = []
    for language in ("en", "zh-CN"):
        for dark in (False, True):
            for width in (360, 800, 1200):
                page.screen(width, dark=dark)
                page.picture(tmp_path / f"{language}-{'dark' if dark else 'light'}-{width}.png")  # to look at
                assert page.run("document.documentElement.scrollWidth") <= width
            grounds.append(page.run("getComputedStyle(document.body).backgroundColor"))
        assert page.run("document.documentElement.lang") == language
        assert page.run("[...document.querySelectorAll('[data-word]')].every((node) => node.textContent)")
        page.run("$('language').click()")
    assert grounds[0] != grounds[1]
    assert "np.maximum(" in page.run("$('source').textContent")


@needs_browser
@needs_mnist
def test_the_language_is_that_of_the_browser(page, run):
    agent = page.run("navigator.userAgent")
    for wanted, language in (("zh-TW", "zh-CN"), ("fr-FR", "en")):
        page("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=wanted)
        page.open(run[0] / "draw.html")
        assert page.run("document.documentElement.lang") == language


@needs_browser
def test_a_page_of_other_signs_takes_all_strokes_and_tells_the_names(tmp_path):
    net = mnist.Net(4, rng=0, classes=2)
    tg.export_page(net, np.zeros((1, 784), np.float32), tmp_path / "signs.html", classes=["三", "dog"])
    with Browser() as browser:
        browser.open(tmp_path / "signs.html")
        drawn(browser, [[(0.2, y), (0.8, y)] for y in (0.2, 0.5, 0.8)])
        url, seen = browser.run("(show(), [PAPER.toDataURL(), [...picture]])")
        browser.run("$('answers').children[0].click()")
        names = browser.run("new TextDecoder().decode(files()['drawn-classes.json'])")
    (tmp_path / "drawing.png").write_bytes(b64decode(url.partition(",")[2]))
    assert np.abs(255 * read_images(tmp_path / "drawing.png", whole=True)[0] - seen).max() < 1.5
    assert json.loads(names) == ["三", "dog"]


@needs_browser
@needs_mnist
def test_convolutions_are_computed_as_in_the_library(tmp_path):
    net, images = lenet.Net(4, rng=0), load_mnist().test.images[:3]
    pixels, path = np.rint(255 * images).astype(int).ravel().tolist(), tmp_path / "lenet.html"
    with Browser() as browser:
        for in_bytes, tolerance in ((False, 1e-5), (True, 0.02)):
            tg.export_page(net, images[:2], path, in_bytes=in_bytes)
            browser.open(path)
            found = browser.run(f"[...read({pixels}).output.data]")
            assert browser.run("$('units').children.length") == 4
            np.testing.assert_allclose(np.reshape(found, (3, 10)), probabilities(net, images), atol=tolerance, rtol=0)
