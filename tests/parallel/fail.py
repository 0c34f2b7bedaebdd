"""What may go wrong on a rank while the others wait for it: ``mpiexec -n N python fail.py CASE``."""

import os
import signal
import sys

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
    with parallel.world(mistakes=(tg.DataError,)) as world:
        globals()[sys.argv[1]](world)
        step(world, params())
    print("the end")
