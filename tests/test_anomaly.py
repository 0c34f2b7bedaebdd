"""Proves that `detect_anomaly` names the operation, the place and the line of the first number that is not finite."""

import threading

import numpy as np
import pytest

import tinygrad_lite as tg

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")

TINY = 1e-39  # in float32 its logarithm is finite, its reciprocal is not


def raised(function, *args):
    with tg.detect_anomaly(), pytest.raises(FloatingPointError) as caught:
        function(*args)
    return str(caught.value)


def test_forward_names_the_operation_the_place_the_operands_and_the_line():
    def quotient(a, b):
        safe = a + b
        return safe / b  # the line

    message = raised(quotient, tg.Tensor([[1.0, 2.0], [3.0, 4.0]]), tg.Tensor([[1.0, 1.0], [0.0, 1.0]]))
    assert message.startswith("divide gives inf at index 1, 0 of shape (2, 2), from 3.0 and 0.0")
    assert "test_anomaly.py, line " in message
    assert "'return safe / b  # the line'" in message


def test_the_operands_of_a_broadcast_are_those_at_the_element():
    message = raised(lambda: tg.Tensor([[1.0], [-1.0]]) / tg.Tensor([1.0, 0.0]))
    assert "divide gives inf at index 0, 1 of shape (2, 2), from 1.0 and 0.0" in message


def test_operands_are_named_only_where_each_element_has_its_own():
    x = tg.Tensor(np.full((1, 2), 2e38, np.float32))
    assert raised(lambda: x.sum()).startswith("sum gives inf (")


def test_what_was_not_finite_before_is_said_with_its_name():
    weight = tg.Tensor([1.0, np.nan], requires_grad=True, name="weight")
    message = raised(lambda: tg.Tensor([1.0, 2.0]) * weight)
    assert message.startswith(
        "multiply is given a number that is not finite: input 1, 'weight', has nan at index 1 of shape (2,)"
    )


def test_constants_and_results_without_history_are_looked_at_too():
    assert "log gives -inf" in raised(lambda: np.log(tg.Tensor([0.0])))
    with tg.no_grad():
        assert "log gives -inf" in raised(lambda: np.log(tg.Tensor([0.0], requires_grad=True)))


def test_backward_names_the_rule_the_input_and_the_line_of_the_forward_operation():
    def loss(x):
        y = np.log(x)  # made here
        return y.sum()

    x = tg.Tensor([4.0, TINY], requires_grad=True)
    message = raised(lambda: loss(x).backward())
    assert message.startswith("backward, in the derivative of log by input 0, computed in test_anomaly.py, line ")
    assert "'y = np.log(x)  # made here': there is inf at index 1 of shape (2,)" in message
    assert x.grad is None


def test_backward_through_a_graph_that_was_made_outside_has_no_line_but_is_looked_at():
    x = tg.Tensor([TINY], requires_grad=True)
    y = np.log(x)
    assert raised(y.backward).startswith("backward, in the derivative of log by input 0: there is inf at index 0")


def test_a_sum_of_finite_cotangents_that_overflows_is_seen():
    x = tg.Tensor([1.0], requires_grad=True)
    y = x * 2e38 + x * 2e38 * 0.9
    assert "there is inf at index 0 of shape (1,)" in raised(y.backward)


def test_higher_derivatives_are_looked_at():
    message = raised(lambda: tg.grad(lambda x: tg.grad(lambda x: x**-1.5)(x))(1e-15))
    assert message.startswith("backward, in the derivative of power by input 0")


def test_all_that_is_finite_passes_and_counts_and_masks_do_not_matter():
    with tg.detect_anomaly():
        x = tg.Tensor([1.0, -2.0], requires_grad=True)
        y = np.where(x > 0, x, 0.0).sum() * tg.Tensor([3])
        y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [3, 0])


def test_it_ends_with_the_block_also_after_an_error_and_works_as_a_decorator():
    @tg.detect_anomaly()
    def logarithm(x):
        return np.log(x)

    with pytest.raises(FloatingPointError, match="log gives"):
        logarithm(tg.Tensor([0.0]))
    assert np.isneginf(np.log(tg.Tensor([0.0])).numpy())
    with tg.detect_anomaly():
        with tg.detect_anomaly():
            pass
        with pytest.raises(FloatingPointError, match="log gives"):
            np.log(tg.Tensor([0.0]))


def test_other_threads_are_left_alone():
    found = []
    with tg.detect_anomaly():
        thread = threading.Thread(target=lambda: found.append(np.log(tg.Tensor([0.0])).numpy()))
        thread.start()
        thread.join()
    assert np.isneginf(found[0])


def test_a_jitted_function_runs_as_it_is_written_so_that_the_line_is_known():
    @tg.jit
    def quotient(a, b):
        return a / b  # jitted

    assert quotient(tg.Tensor([1.0]), tg.Tensor([2.0])).numpy() == 0.5
    message = raised(quotient, tg.Tensor([1.0]), tg.Tensor([0.0]))
    assert message.startswith("divide gives inf at index 0 of shape (1,), from 1.0 and 0.0")
    assert "'return a / b  # jitted'" in message
    assert np.isposinf(quotient(tg.Tensor([1.0]), tg.Tensor([0.0])).numpy())


def test_a_block_inside_a_jitted_function_becomes_part_of_the_program():
    w = tg.Tensor([1.0], requires_grad=True)
    optimizer = tg.optim.SGD([w], lr=0.5)

    @tg.jit
    def step(x):
        with tg.detect_anomaly():
            loss = (x * np.log(w + TINY)).sum()  # compiled
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()
        return loss

    assert step(np.array([2.0], np.float32)).item() == 0  # and now w is 0
    with pytest.raises(FloatingPointError, match=r"derivative of log .* line \d+, .*# compiled"):
        step(np.array([2.0], np.float32))
    assert w.numpy() == 0
    w.data = np.array([1.0], np.float32)
    assert step(np.array([2.0], np.float32)).item() == 0


def test_a_training_step_of_a_model_names_the_layers_own_line():
    net = tg.nn.Sequential(tg.nn.Linear(2, 2, rng=0), tg.nn.Softmax())

    def loss():
        p = net(np.array([[3e38, -3e38]], np.float32))
        return -np.log(p).sum()

    assert "linear gives" in raised(loss)
    assert "line" in raised(loss)


def test_a_derivation_is_checked_by_its_values():
    x = tg.Tensor([2.0, TINY], name="x", requires_grad=True)
    with tg.detect_anomaly():
        assert str(tg.explain(np.sum(np.tanh(x) * x))) == str(tg.explain(np.sum(np.tanh(x) * x)))
        y = np.sum(np.log(x))
        with pytest.raises(FloatingPointError, match="backward, in the derivative of log by input 0"):
            tg.explain(y)
