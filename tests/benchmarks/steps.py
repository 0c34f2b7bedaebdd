"""The training step that is compared: its sizes and data, and the net as most libraries can write it. NumPy alone."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

LR = 10**-0.35
SAMPLES = 20_000  # more than the processor's cache holds, as in training
STEPS = 100  # of a turn, at most
FACTOR = 1 + 2.0**-20  # in chains of scalars: a number of float32 whose millionth power is no larger than e


def initial_parameters(seed: int = 0, widths: Sequence[int] = (784, 90, 10)) -> list[np.ndarray]:
    """Return ``[w1, b1, w2, b2, …]`` in float64: weights uniform within ±√(6 / (in + out)), biases of zero."""
    rng = np.random.default_rng(seed)
    parameters = []
    for n_in, n_out in itertools.pairwise(widths):
        limit = np.sqrt(6 / (n_in + n_out))
        parameters += [rng.uniform(-limit, limit, (n_in, n_out)), np.zeros(n_out)]
    return parameters


def layers(parameters: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return the weights and biases of each layer."""
    return [(parameters[i], parameters[i + 1]) for i in range(0, len(parameters), 2)]


class Size(NamedTuple):
    """How large a step is: samples in a batch, units of each layer from the inputs to the outputs."""

    batch_size: int = 100
    widths: tuple[int, ...] = (784, 90, 10)

    def __str__(self) -> str:
        return f"{'-'.join(map(str, self.widths))}, batch {self.batch_size:,}"

    @property
    def steps(self) -> int:
        """The steps of a turn."""
        return max(1, min(SAMPLES // self.batch_size, STEPS))

    def parameters(self, dtype: Any = np.float32) -> list[np.ndarray]:
        """Return what every candidate starts from."""
        return [p.astype(dtype) for p in initial_parameters(0, self.widths)]

    def batches(self) -> tuple[np.ndarray, np.ndarray]:
        """Return random images and targets, stacked batch by batch."""
        rng = np.random.default_rng(0)
        shape, outputs = (max(1, SAMPLES // self.batch_size), self.batch_size), self.widths[-1]
        images = rng.random((*shape, self.widths[0]), np.float32)
        return images, np.eye(outputs, dtype=np.float32)[rng.integers(outputs, size=shape)]


class Step(NamedTuple):
    """One step of stochastic gradient descent, as someone writes it."""

    size: Size
    run: Callable[[Any, Any], Any]  # does it on a batch and returns the loss before; an epoch's, on stacked batches
    weights: Callable[[], Sequence[Any]]  # returns the parameters as they are now
    array: Callable[[np.ndarray], Any] = np.asarray  # makes what `run` takes; done beforehand, so not measured
    wait: Callable[[Any], Any] = id  # waits for all that is under way, given the last result
    notes: Callable[[], dict[str, Any]] = dict  # returns what else there is to tell
    is_epoch: bool = False

    def turns(self) -> Callable[[], None]:
        """Return the function that does a turn's steps, each on the next batch."""
        parts, n = [], self.size.steps
        images, targets = self.size.batches()
        for i in range(0, len(images) - n + 1, n):
            part = images[i : i + n], targets[i : i + n]
            batches = [part] if self.is_epoch else zip(*part, strict=True)
            parts.append([tuple(map(self.array, batch)) for batch in batches])
        turns = itertools.cycle(parts)

        def turn() -> None:
            for batch in next(turns):
                result = self.run(*batch)
            self.wait(result)

        return turn


def squared_loss(parameters: Any, images: Any, targets: Any, relu: Any, softmax: Any, linear: Any = None) -> Any:
    """Return Σ (a - t)², averaged over the batch, in a library's functions; ``linear(a, w, b)`` is a w + b."""
    linear = linear or (lambda a, w, b: a @ w + b)
    *hidden, (w, b) = layers(parameters)
    a = images
    for w_hidden, b_hidden in hidden:
        a = relu(linear(a, w_hidden, b_hidden))
    difference = softmax(linear(a, w, b)) - targets
    return (difference * difference).sum() / images.shape[0]


def loss_in_numpy(xp: Any) -> Callable[..., Any]:
    """Return `squared_loss` in the functions of NumPy, for a library that has these."""

    def softmax(z: Any) -> Any:
        e = xp.exp(z - xp.max(z, axis=1, keepdims=True))
        return e / xp.sum(e, axis=1, keepdims=True)

    return partial(squared_loss, relu=lambda z: xp.maximum(z, 0), softmax=softmax)


def descent(size: Size, loss_and_gradients: Callable[..., Any]) -> Step:
    """Return the step of a library that returns the loss and its gradients by NumPy's arrays as such arrays."""
    parameters = size.parameters()

    def run(images: Any, targets: Any) -> Any:
        loss, gradients = loss_and_gradients(parameters, images, targets)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= LR * gradient
        return loss

    return Step(size, run, lambda: parameters)


def learning(loss_of: Callable[..., Any], optimizer: Any) -> Callable[..., Any]:
    """Return the step of a library that is written as in PyTorch; as all steps it returns the loss before."""

    def run(*batch: Any) -> Any:
        loss = loss_of(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return run


def chain_of(one: Callable[[], Any], length: int) -> Callable[[], Any]:
    """Return what differentiates a chain by the number it starts from, which ``one()`` makes."""

    def run() -> Any:
        x = one()
        product(x, length).backward()
        return x.grad

    return run


def product(y: Any, length: int) -> Any:
    """Return a number multiplied by a factor, so many times."""
    for _ in range(length):
        y = y * FACTOR
    return y
