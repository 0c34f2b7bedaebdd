"""What may go wrong on a rank while the others wait for it: ``mpiexec -n N python fail.py CASE``."""

import os
import signal
import sys
import time

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import parallel


def params(n=3):
    return [tg.Tensor(np.zeros(n, np.float32), requires_grad=True)]


def step(world, given, split=True):
    if split:
        world.shard(np.ones(4))
    loss = (given[0] * given[0]).sum()
    loss.backward()
    return world.average(loss, given)


def raises(world):
    if world.rank == 1:
        raise KeyError("no such row")


def raises_on_all(world):
    raise tg.DataError("no such file")


def raises_in_an_unknown_way_on_all(world):
    raise KeyError("no such row")


def exits(world):
    if world.rank == 1:
        sys.exit(3)


def exits_with_a_message(world):
    if world.rank == 1:
        sys.exit("nothing to do")


def exits_well_on_all(world):
    step(world, params())
    sys.exit(0)


def is_killed(world):
    if world.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def has_another_net(world):
    world.broadcast(params(3 + world.rank))


def has_no_gradient(world):
    world.average(tg.Tensor(1.0), params())


def exits_well_on_one(world):
    if world.rank == 1:
        sys.exit()


def leaves_early(world):
    if not world.rank:
        step(world, params())


def has_more_parameters(world):
    (x,) = world.shard(np.ones(4))
    given = params() + (params() if world.rank else [])
    loss = sum((p * p).sum() for p in given) + x.sum()
    loss.backward()
    world.average(loss, given)


def pair():
    return [tg.Tensor(np.zeros(3, np.float32), requires_grad=True) for _ in range(2)]


def sums(world, given):
    return averaged(world, given, *world.shard(np.ones(4)))


def averaged(world, given, x):
    loss = (given[0] * given[1]).sum() + x.sum()
    for p in given:
        p.grad = None
    loss.backward()
    return world.average(loss, given)


def has_them_in_another_order(world):
    given = pair()
    world.broadcast(given)
    for _ in range(3):
        sums(world, given)
    sums(world, given[::-1] if world.rank else given)


def has_them_in_another_order_in_a_jitted_step(world):
    given = pair()
    world.broadcast(given)
    (x,) = world.shard(np.ones(4))
    tg.jit(lambda: averaged(world, given[::-1] if world.rank else given, x))()


def has_other_shapes_in_as_many_numbers(world):
    a, b = (tg.Tensor(np.zeros(n, np.float32), requires_grad=True) for n in (3, 1))
    sums(world, [a, b] if world.rank else [b, a])


def has_too_large_a_share(world):
    world.share = 0.75
    step(world, params(), split=False)


def has_too_large_a_share_in_a_jitted_step(world):
    world.share, given = 0.75, params()
    tg.jit(lambda: step(world, given, split=False))()


def has_a_share_that_is_none(world):
    world.share = float("nan")
    step(world, params(), split=False)


def has_another_share_in_a_mean(world):
    world.share = 0.5 + 0.1 * world.rank
    world.mean([1.0])


def sleeps(world):
    step(world, params())
    if world.rank == world.size - 1:
        time.sleep(1_000)


def sleeps_first(world):
    if world.is_first:
        time.sleep(1_000)


def sleeps_in_what_it_does_for_all(world):
    world.call_on_first(lambda: time.sleep(1_000))


def sleeps_before_the_others(world):
    world.first_before_others(lambda: time.sleep(1_000))


def exits_at_once(world):
    if world.rank:
        os._exit(0)


def exits_well_while_it_waits(world):
    def leave(*args):
        sys.exit(0)

    if world.rank:
        signal.signal(signal.SIGALRM, leave)
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        step(world, params())
    time.sleep(1_000)


def has_a_child_that_exits_at_once(world):
    if not os.fork():
        os._exit(0)
    os.wait()
    sys.exit(3)


def splits_nothing(world):
    step(world, params(), split=False)


def has_no_stderr(world):
    if world.rank == 1:
        os.close(2)
        raise KeyError("no one hears of it")


def exits_with_a_status_that_is_0_to_the_system(world):
    if world.rank == 1:
        sys.exit(256)


def is_interrupted(world):
    if world.is_first:
        print("ready", flush=True)
    while True:
        step(world, params())


if __name__ == "__main__":
    timeout = 2.0 if sys.argv[1].startswith("sleeps") else parallel.TIMEOUT
    with parallel.world(mistakes=(tg.DataError,), timeout=timeout) as world:
        globals()[sys.argv[1]](world)
        step(world, params())
    print("the end")
