"""A flag is what the open blocks say: in generators that take turns, coroutines, decorators and threads."""

import asyncio
import threading

import pytest

import tinygrad_lite as tg
from tinygrad_lite.anomaly import is_detecting
from tinygrad_lite.engine import is_recording

BLOCKS = [(tg.no_grad, lambda: not is_recording()), (tg.detect_anomaly, is_detecting)]
both = pytest.mark.parametrize(("block", "is_on"), BLOCKS, ids=["no_grad", "detect_anomaly"])


@both
def test_generators_that_take_turns_leave_the_flag_as_it_was(block, is_on):
    def generate():
        with block():
            yield is_on()
            yield is_on()

    first, second = generate(), generate()
    assert next(first)
    assert next(second)
    first.close()
    assert is_on(), "the second block is still open"
    second.close()
    assert not is_on()


@both
def test_one_block_may_be_used_twice_and_within_itself(block, is_on):
    same = block()
    for _ in range(2):
        with same:
            with same:
                assert is_on()
            assert is_on()
        assert not is_on()


@both
def test_a_decorated_generator_has_the_flag_in_each_step_and_its_caller_never(block, is_on):
    closed = []

    @block()
    def generate():
        try:
            sent = yield is_on()
            assert is_on()
            try:
                yield sent
            except KeyError:
                yield is_on()
            return "end"
        finally:
            closed.append(is_on())

    steps = generate()
    assert next(steps)
    assert not is_on()
    assert steps.send(3) == 3
    assert not is_on()
    assert steps.throw(KeyError)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "end"
    early = generate()
    next(early)
    early.close()
    assert closed == [True, True]
    assert not is_on()


@both
def test_decorated_coroutines_have_the_flag_also_after_they_have_waited(block, is_on):
    @block()
    async def coroutine():
        before = is_on()
        await asyncio.sleep(0)
        return before and is_on()

    @block()
    async def generate():
        yield is_on()
        await asyncio.sleep(0)
        yield is_on()

    async def main():
        results = await asyncio.gather(coroutine(), coroutine(), outside())
        generated = []
        async for item in generate():
            generated.append(item and not is_on())
        return [*results, *generated]

    async def outside():
        await asyncio.sleep(0)
        return not is_on()

    assert asyncio.run(main()) == [True] * 5


@both
def test_a_decorated_function_needs_no_brackets_where_none_are_wanted(block, is_on):
    assert block()(is_on)()
    assert not is_on()
    assert tg.no_grad(is_recording)() is False


@both
def test_other_threads_are_left_alone(block, is_on):
    seen = []
    with block():
        thread = threading.Thread(target=lambda: seen.append(is_on()))
        thread.start()
        thread.join()
    assert seen == [False]


@both
def test_an_error_in_the_block_ends_it(block, is_on):
    with pytest.raises(KeyError), block():
        raise KeyError
    assert not is_on()


def test_differentiating_within_no_grad_records_what_it_needs():
    with tg.no_grad():
        assert tg.grad(lambda x: x * x)(3.0).item() == 6
        assert not is_recording()
