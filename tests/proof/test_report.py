"""A report is read as text, in a notebook, and as a picture; a mismatch carries it."""

from __future__ import annotations

import dataclasses
import pickle
import re

import matplotlib
import numpy as np
import pytest

import tinygrad_lite as tg

X, Y = np.array([[0.5, -1.0, 2.0], [0.3, 1.5, -0.7]]), np.array([1.0, -2.0, 0.25])


def found(*args, **options):
    return tg.gradcheck(*args, raise_exception=False, **options)


def test_the_table_has_a_line_for_each_input_and_order():
    lines = found(lambda x, y: np.tanh(x * y), X, Y, order=2).table().splitlines()
    assert lines[0].split() == ["order", "by", "method", "error", "of", "analytic", "numeric"]
    assert len(lines) == 2 + 4
    assert [re.split("  +|\\[", line)[:2] for line in lines[2:]] == [[o, f"input {k}"] for o in "12" for k in (0, 1)]


def test_the_table_marks_what_is_wrong(wrong_at):
    lines = found(lambda x, y: wrong_at(4)(x) * y, X, Y).table().splitlines()
    assert lines[2].startswith("input 0[1, 1]  central  1.0e+00")
    assert "y[1, 1]" in lines[2]
    assert lines[2].endswith("WRONG")
    assert "WRONG" not in lines[3]


def test_the_table_stays_within_a_line_for_names_as_long_as_they_come():
    class Deep(tg.nn.Module):
        def __init__(self):
            self.encoder = {"attention": [tg.nn.Linear(3, 12, rng=0), tg.nn.Linear(12, 12, rng=1)]}

        def forward(self, x):
            first, second = self.encoder["attention"]
            return np.tanh(second(first(x)))

    report = found(Deep(), X, order=2, mode="fast")
    assert report.comparisons[1].name == "encoder.attention.0.weight"
    assert max(map(len, report.table().splitlines())) <= 110
    report = found(Deep(), X)
    assert max(map(len, report.table().splitlines())) <= 90
    assert max(map(len, found(lambda x, y: np.tanh(x * y), X, Y, order=2).table().splitlines())) <= 80


def test_the_text_tells_verdict_tolerance_hints_kinks_and_notes(wrong_at):
    text = str(found(lambda x: x.relu(), np.float32([0.0, 1.0]), tolerance=1e-6))
    assert text.startswith("gradcheck holds (tolerance 1e-06)\n")
    assert "\nkink at input 0[0]: " in text
    assert "\nnote: input 0 of float32" in text
    text = str(found(lambda x: np.sum(x**2), Y, gradient=lambda x: -2 * x))
    assert text.startswith("gradcheck does not hold (tolerance 1e-07)\n")
    assert text.endswith("\ninput 0: the sign is flipped everywhere")


def test_the_largest_error_is_that_of_the_worst_comparison(wrong_at):
    report = found(lambda x, y: wrong_at(4)(x) + y, X, Y)
    assert report.max_error == max(c.error for c in report.comparisons) == pytest.approx(1)
    assert report.tolerance == 1e-7
    assert [bool(c) for c in report.comparisons] == [False, True]


def test_a_mismatch_carries_the_report_and_speaks_of_its_worst_line(wrong_at):
    with pytest.raises(tg.GradientMismatch) as caught:
        tg.gradcheck(lambda x, y: wrong_at(0, 1.1)(x) + wrong_at(4, 3.0)(y), X, X)
    report = caught.value.report
    assert [bool(c) for c in report.comparisons] == [False, False]
    assert str(caught.value) == str(report.comparisons[1])


def test_a_mismatch_survives_being_sent_to_another_process(wrong_at):
    with pytest.raises(tg.GradientMismatch) as caught:
        tg.gradcheck(wrong_at(1), Y)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_reports_cannot_be_changed():
    report = found(lambda x: x, Y)
    for part, field in ((report, "comparisons"), (report.comparisons[0], "error")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, field, ())


def test_errors_are_kept_in_the_shape_of_output_and_input(wrong_at):
    (c,) = found(wrong_at(4), X).comparisons
    assert c.errors.shape == (2, 3, 2, 3)
    assert [tuple(place) for place in np.argwhere(c.errors > 1e-7)] == [(1, 1, 1, 1)]
    (c,) = found(lambda x: x.sum(), X).comparisons
    assert c.errors.shape == (2, 3)
    assert "errors" not in repr(c)


def test_the_notebook_shows_a_table_with_what_is_wrong_marked(wrong_at):
    page = found(lambda x, y: wrong_at(4)(x) + y, X, Y)._repr_html_()
    rows = re.findall(r"<tr( style=.*?)?>(.*?)</tr>", page)
    assert len(rows) == 3
    assert [bool(style) for style, _ in rows] == [False, True, False]
    assert "<td>input 0[1, 1]</td>" in rows[1][1]
    assert "does not hold" in page


def test_the_notebook_escapes_names():
    page = found(lambda x: x * 1, X, parameters={"<b>&": tg.Tensor(1.0)})._repr_html_()
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page


def test_the_picture_has_a_panel_for_each_input_and_shows_the_errors(wrong_at):
    figure = found(lambda x, y: wrong_at(4)(x) + y, X, Y, order=2).plot()
    panels = [ax for ax in figure.axes if ax.images]
    assert isinstance(figure, matplotlib.figure.Figure)
    assert [ax.get_title() for ax in panels] == ["input 0, central differences", "input 1, the complex step"]
    drawn = panels[0].images[0].get_array()
    assert drawn.shape == (6, 6)
    assert np.unravel_index(np.argmax(drawn), drawn.shape) == (4, 4)
    assert panels[1].images[0].get_array().shape == (6, 3)
    assert drawn.max() == pytest.approx(0)
    figure.savefig("/dev/null", format="png")


def test_a_scalar_by_a_scalar_can_be_drawn():
    figure = found(lambda x: x * x, 2.0).plot()
    assert figure.axes[0].images[0].get_array().shape == (1, 1)


def test_what_cannot_be_drawn_says_so():
    with pytest.raises(ValueError, match="use mode='full'"):
        found(lambda x: x, Y, mode="fast").plot()
    with pytest.raises(ValueError, match="empty"):
        found(lambda x: x, np.zeros((0, 2))).plot()


def test_a_line_that_fails_says_so_beside_its_kink():
    f, wrong = (lambda x: np.maximum(x, 0).sum()), (lambda x: (x > 0) + 2.0 * (x == 2))
    report = tg.gradcheck(f, np.array([-1.0, 0.0, 2.0]), gradient=wrong, raise_exception=False)
    assert report.table().splitlines()[2].endswith("WRONG, kink")


def test_where_there_is_no_derivative_no_number_is_given_for_it():
    jumping = tg.gradcheck(lambda x: np.where(x >= 0, 1.0, 0.0) + x, np.zeros(1), raise_exception=False)
    assert str(jumping.comparisons[0]).endswith(": 1, but the function has a jump there, so it has no derivative")
    edge = tg.gradcheck(np.sqrt, np.zeros(1), gradient=lambda x: np.zeros((1, 1)), raise_exception=False)
    assert str(edge.comparisons[0]).endswith(": 0, but the function has no finite values on both sides of the point")


def test_a_prompt_shows_what_print_shows(wrong_at):
    report = tg.gradcheck(wrong_at(1), np.ones(3), raise_exception=False)
    assert repr(report) == str(report)
    proof = tg.prove(wrong_at(1))
    assert repr(proof) == str(proof)
    assert "sample 0: gradcheck does not hold" in str(proof)
    assert "sample 0: gradcheck does not hold" in proof._repr_html_()


def test_one_wrong_entry_of_a_large_square_matrix_is_found():
    def gradient(x):
        g = 2 * x
        g[7, 31] += 1
        return g

    x = np.random.default_rng(0).normal(size=(50, 50))
    with pytest.raises(tg.GradientMismatch, match=r"by input 0\[7, 31\]"):
        tg.gradcheck(lambda x: np.sum(x**2), x, gradient=gradient)


def test_no_zero_is_printed_as_negative():
    report = found(lambda x: -0.0 * x + np.array([0.0, 0, 1]) * abs(x), np.zeros(3), method="central")
    assert not re.search(r"-0(\.0)?(e[+-]00)?\b(?!\.)", str(report).replace("---", ""))
    wrong = found(lambda x: x * 1.0, np.ones(2), gradient=lambda x: -0.0 * np.eye(2))
    assert ": 0, but 1" in str(wrong.comparisons[0])
