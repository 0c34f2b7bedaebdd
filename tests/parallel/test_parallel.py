"""What a rank does by itself: alone it hands everything through, it splits a batch evenly, its program reads well."""

import sys
from queue import SimpleQueue
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import nn, optim, parallel
from tinygrad_lite.compiler.writers.numpy_source import source_of
from tinygrad_lite.nn.functional import squared_loss
from tinygrad_lite.parallel import SIZES, World

X, Y = np.random.default_rng(0).random((2, 4, 3), np.float32)


@pytest.fixture(autouse=True)
def _started_by_itself(monkeypatch):
    for name in (*SIZES, "PMIX_RANK"):
        monkeypatch.delenv(name, raising=False)


class Twins(World):
    """A world in which another rank has the same rows as this one, and sends the same."""

    def __init__(self):
        super().__init__(SimpleNamespace(rank=0, size=2))
        self.share = 0.5
        # As functions of a library, into which jit does not look.
        namespace = {"__name__": "queue", "queue": SimpleQueue()}
        exec("def put(values):\n    queue.put(values)\ndef size():\n    return queue.qsize()", namespace)
        self.put, self.size, self.queue = namespace["put"], namespace["size"], namespace["queue"]

    def all_reduce(self, values, *args):
        self.put(values.copy())
        values *= 2

    def sent(self):
        """Return what has been sent since this was last asked."""
        return [self.queue.get() for _ in range(self.size())]


def make_step(world=None, momentum=0.0):
    net = nn.Sequential(nn.Linear(3, 4, rng=0), nn.ReLU(), nn.Linear(4, 3, rng=1))
    optimizer = optim.SGD(net.parameters(), 0.1, momentum)

    def step(images, targets):
        loss = squared_loss(net(images), targets)
        optimizer.zero_grad()
        loss.backward()
        if world is not None:
            loss = world.average(loss, optimizer.params)
        optimizer.step()
        return loss

    return step, net


def test_alone_everything_is_handed_through():
    with parallel.world() as world:
        assert (world.rank, world.size, world.share, world.is_first) == (0, 1, 1.0, True)
        images, targets = world.shard(X, Y)
        assert images is X
        assert targets is Y
        p = tg.Tensor([1.0], requires_grad=True)
        data = p.data
        world.broadcast([p])
        assert p.data is data
        loss = (p * p).sum()
        loss.backward()
        g = p.grad
        assert world.average(loss, [p]) is loss
        assert p.grad is g
        assert world.mean([1, 2.5]) == [1, 2.5]


def test_alone_the_program_is_the_same():
    programs = []
    with parallel.world() as world:
        for given in (None, world):
            step = tg.jit(make_step(given)[0])
            step(X, Y)
            programs.append(source_of(step.programs[0].program))
    assert programs[0] == programs[1]


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(2), KeyboardInterrupt()])
def test_alone_errors_pass(error):
    with pytest.raises(type(error)) as raised, parallel.world(mistakes=(KeyError,)):
        raise error
    assert raised.value is error


@pytest.mark.parametrize("size", range(1, 6))
@pytest.mark.parametrize("rows", range(1, 12))
def test_shards_are_the_rows_in_order_and_as_even_as_can_be(rows, size):
    x = np.arange(rows)
    worlds = [World(SimpleNamespace(rank=rank, size=size)) for rank in range(size)]
    shards = [world.shard(x, x[:, None]) for world in worlds]
    assert all(len(a) == len(b) >= 1 for a, b in shards)
    own = [a for (a, _), world in zip(shards, worlds, strict=True) if world.share]
    np.testing.assert_array_equal(np.concatenate(own), x)
    assert max(map(len, own)) - min(map(len, own)) <= 1
    assert len(own) == min(rows, size)
    assert sum(world.share for world in worlds) == pytest.approx(1)
    for (a, _), world in zip(shards, worlds, strict=True):
        assert world.share == pytest.approx(len(a) / rows if world.share else 0)
        if not world.share:
            np.testing.assert_array_equal(a, x[:1])


@pytest.mark.parametrize("arrays", [(X, Y[:3]), (X[:0], Y[:0])])
def test_what_is_no_batch_is_refused(arrays):
    with pytest.raises(ValueError, match="a batch has arrays of one length, at least 1, not of"):
        Twins().shard(*arrays)


@pytest.mark.parametrize("world", [World(), Twins()])
def test_a_parameter_without_a_gradient_is_refused(world):
    a, b = (tg.Tensor([1.0], requires_grad=True) for _ in range(2))
    loss = (a * a).sum()
    loss.backward()
    with pytest.raises(tg.GraphError, match=r"parameter 1, of shape \(1,\), has no gradient"):
        world.average(loss, [a, b])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("types", "sent"), [(("f4", "f4"), "f4"), (("f2", "f2"), "f4"), (("f4", "f8"), "f8"), (("f8", "f8"), "f8")]
)
def test_types_are_kept_and_what_is_sent_is_of_the_largest_and_not_of_half_precision(types, sent, compiled):
    world = Twins()
    params = [tg.Tensor(np.ones(2, dtype), requires_grad=True) for dtype in types]

    def gradients():
        loss = sum((p.astype(types[-1]) ** 2).sum() for p in params)
        for p in params:
            p.grad = None
        loss.backward()
        return world.average(loss, params), [p.grad for p in params]

    loss, found = (tg.jit(gradients) if compiled else gradients)()
    assert [x.dtype for x in (loss, *found)] == [types[-1], *types]
    assert [x.dtype for x in world.sent()] == [sent]
    assert [x.tolist() for x in (loss, *found)] == [4, [2, 2], [2, 2]]


@pytest.mark.parametrize("compiled", [False, True])
def test_one_array_holds_the_loss_and_all_gradients(compiled):
    world = Twins()
    step, net = make_step(world, momentum=0.9)
    plain_step, plain_net = make_step(momentum=0.9)
    if compiled:
        step = tg.jit(step)
    for _ in range(3):
        assert step(X, Y).item() == pytest.approx(plain_step(X, Y).item(), rel=1e-6)
    # None while it was recorded.
    assert [x.shape for x in world.sent()] == [(1 + 12 + 4 + 12 + 3,)] * 3
    for p, expected in zip(net.parameters(), plain_net.parameters(), strict=True):
        np.testing.assert_allclose(p.numpy(), expected.numpy(), rtol=1e-5, atol=1e-7)


def test_the_program_takes_the_all_reduce_as_an_argument_and_needs_numpy_alone():
    world = Twins()
    step, net = make_step(world)
    jitted = tg.jit(step)
    jitted(X, Y)
    lines = [line.split("#")[0].strip() for line in jitted.source.splitlines()]
    concatenated = next(i for i, line in enumerate(lines) if line.startswith("np.concatenate(["))
    assert lines[concatenated].endswith("axis=0, out=reduced)")
    assert lines[concatenated + 1 : concatenated + 3] == [
        "np.multiply(0.5, reduced, out=reduced)",
        "all_reduce(reduced)",
    ]
    assert "    all_reduce: function that the program calls\n" in jitted.source

    program, sent = {}, []
    exec(jitted.source, program)
    params = [p.numpy().copy() for p in net.parameters()]
    loss = program["step"](X, Y, *params, 0.1, lambda x: sent.append(x.copy()))
    assert loss == sent[0][0]
    for p, g, moved in zip(net.parameters(), np.split(sent[0][1:], np.cumsum([12, 4, 12])), params, strict=True):
        np.testing.assert_array_equal(moved, p.numpy() - np.float32(0.1) * g.reshape(p.shape))


def test_another_share_makes_another_program():
    world = Twins()
    plain_step, net = make_step(world)
    step = tg.jit(plain_step)
    for share, programs in ((0.5, 1), (0.25, 2), (0.0, 3), (0.5, 3)):
        world.share = share
        before = net.state_dict()
        step(X, Y)
        net.load_state_dict(before)
        plain_step(X, Y)
        compiled, plain = world.sent()
        np.testing.assert_allclose(compiled, plain, rtol=1e-5, atol=1e-7)
        assert compiled.any() == (share > 0)
        assert len(step.programs) == programs


def test_an_all_reduce_is_done_in_its_turn_whatever_becomes_of_its_result():
    class Counted(Twins):
        def all_reduce(self, values, *args):
            super().all_reduce(values)
            values += self.size()

    def twice(world, p):
        def step(x):
            losses = []
            for _ in range(3):
                p.grad = None
                loss = (p * x).sum()
                loss.backward()
                losses.append(world.average(loss, [p]))
            return losses[2], losses[0]

        return step

    found = []
    for jit in (lambda f: f, tg.jit):
        world = Counted()
        step = jit(twice(world, tg.Tensor([1.0, 2.0], requires_grad=True)))
        found.append(([loss.item() for loss in step(X[0, :2])], len(world.sent())))
    assert found[0] == found[1]
    assert found[0][1] == 3


def test_arrays_of_another_device_are_refused():
    class Elsewhere:
        """An array that NumPy does not know."""

        shape, dtype = (1,), np.dtype(np.float32)

        def __rmul__(self, other):
            return self

    with pytest.raises(TypeError, match=r"ranks exchange NumPy's arrays, not those of .*Elsewhere: train on the CPU"):
        Twins()._weighted_sum(Elsewhere())


@pytest.mark.parametrize("missing", ["mpi4py", "threadpoolctl"])
@pytest.mark.parametrize(("name", "value"), [*((name, "2") for name in SIZES), ("PMIX_RANK", "0")])
def test_what_several_ranks_need_is_named(monkeypatch, missing, name, value):
    if missing == "threadpoolctl":
        # In place of the real one, which would start MPI in this process.
        monkeypatch.setitem(sys.modules, "mpi4py.MPI", SimpleNamespace())
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setenv(name, value)
    with pytest.raises(ImportError, match=rf"{missing}.*pip install 'tinygrad_lite\[mpi\]'"), parallel.world():
        pass


def test_one_rank_needs_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setenv("PMI_SIZE", "1")
    with parallel.world() as world:
        assert world.size == 1


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
def test_a_timeout_is_a_positive_number(timeout):
    with pytest.raises(ValueError, match="a positive number of seconds, or None to wait for ever"):
        parallel.world(timeout=timeout).__enter__()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan"), float("inf")])
def test_a_share_is_a_part_of_a_batch(share, compiled):
    world = Twins()
    step, _ = make_step(world)
    world.share = share
    with pytest.raises(ValueError, match=f"a share is this rank's part of a batch's rows, from 0 to 1, not {share}"):
        (tg.jit(step) if compiled else step)(X, Y)


def test_what_a_tensor_was_called_in_a_broadcast_is_forgotten_with_it():
    before = {*parallel._names}
    comm = SimpleNamespace(rank=0, size=2, bcast=lambda x: x)
    world = World(comm)
    world._meet = lambda purpose: None
    net = nn.Linear(2, 3, rng=0)
    world.broadcast(net)
    assert sorted(parallel._names[id(p)] for p in net.parameters()) == ["bias", "weight"]
    del net
    assert parallel._names.keys() <= before
