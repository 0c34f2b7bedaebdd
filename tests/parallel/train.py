"""Train a small net in every way the tests ask about: ``[mpiexec -n N] python train.py DIR``.

``DIR/RANK.npz`` holds, for each way, the losses of its steps and the weights after its last; and what the rank is like.
"""

import sys
import time
from pathlib import Path

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import nn, optim, parallel
from tinygrad_lite.nn.functional import squared_loss

RNG = np.random.default_rng(0)
IMAGES, TARGETS = RNG.random((23, 6)), RNG.random((23, 3))
BATCH_SIZE, EPOCHS = 7, 2  # batches of 7, 7, 7 and 2
OPTIMIZERS = {
    "SGD": lambda params: optim.SGD(params, 0.5),
    "momentum": lambda params: optim.SGD(params, 0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "Adam": lambda params: optim.Adam(params, 0.01),
}
KINDS = [*((optimizer, "float64") for optimizer in OPTIMIZERS), *(("SGD", x) for x in ("float32", "float16", "mixed"))]
WAYS = [(*kind, compiled) for kind in KINDS for compiled in ("eager", "jit")]


def make_net(dtype, seed):
    net = nn.Sequential(nn.Linear(6, 5, rng=seed), nn.ReLU(), nn.Linear(5, 3, rng=seed), nn.Softmax())
    net[0].astype("float32" if dtype == "mixed" else dtype)
    net[2].astype("float64" if dtype == "mixed" else dtype)
    return net


def train(world, optimizer, dtype, compiled):
    # What each rank starts from is another thing, until it is told.
    net = make_net(dtype, seed=world.rank)
    world.broadcast(net)
    optimizer = OPTIMIZERS[optimizer](net.parameters())

    def step(images, targets):
        hidden = net[1](net[0](images))
        # Which type is meant, where two meet.
        loss = squared_loss(net[3](net[2](hidden.astype(net[2].weight.dtype))), targets)
        optimizer.zero_grad()
        loss.backward()
        loss = world.average(loss, optimizer.params)
        optimizer.step()
        return loss

    if compiled == "jit":
        step = tg.jit(step)
    losses = []
    for _ in range(EPOCHS):
        for start in range(0, len(IMAGES), BATCH_SIZE):
            stop = start + BATCH_SIZE
            loss = step(*world.shard(IMAGES[start:stop], TARGETS[start:stop]))
            losses.append(loss.item())
    return losses, [p.numpy() for p in net.parameters()]


def nan_in_a_batch_of_one(world):
    """Return a weight after a step on one row, which only one rank has; what the others see of it is no number."""
    w = tg.Tensor(np.ones(2), requires_grad=True)
    world.broadcast([w])
    (row,) = world.shard(np.ones((1, 2)))
    loss = (w * row).sum() * (1.0 if world.share else np.nan)
    loss.backward()
    loss = world.average(loss, [w])
    return [loss.item(), *w.grad.numpy()]


def frozen_weights(world):
    """Return what a layer that is not trained holds after a broadcast, drawn otherwise on each rank before."""
    net = nn.Sequential(nn.Linear(3, 2, rng=world.rank))
    net[0].weight.requires_grad = False
    world.broadcast(net)
    return net[0].weight.numpy()


def came_after(made, world):
    """Return whether the first rank has been here, slow as it is."""
    if world.is_first:
        time.sleep(0.1)
        made.touch()
    return made.exists()


def main(folder):
    with parallel.world() as world:
        found = {"size": world.size, "mpi": "mpi4py" in sys.modules}
        for way in WAYS:
            losses, weights = train(world, *way)
            name = " ".join(way)
            found[f"{name} losses"] = losses
            for i, w in enumerate(weights):
                found[f"{name} weights {i}"] = w
        found["nan"] = nan_in_a_batch_of_one(world)
        (rows,) = world.shard(np.arange(7.0))
        found["mean"] = world.mean([rows.mean(), (rows**2).mean()])
        found["rows"] = len(rows)
        found["frozen"] = frozen_weights(world)
        made = folder / "made"
        found["call_on_first"] = world.call_on_first(lambda: world.rank + 1)
        found["after_first"] = world.first_before_others(lambda: came_after(made, world))
        if world.size > 1:
            from threadpoolctl import threadpool_info

            found["threads"] = max(library["num_threads"] for library in threadpool_info())
        np.savez(folder / f"{world.rank}.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
