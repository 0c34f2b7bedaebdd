"""The training step on a GPU: the library's on CuPy's arrays, and PyTorch's, each eager and compiled, in turn.

All compute in float32 proper: neither CuPy nor PyTorch rounds the operands of products to TF32 unless told to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tests.benchmarks import own, peers
from tests.benchmarks.comparison import MakeStep, Size, Work, available
from tests.benchmarks.measure import LR, Rows, Step, Times, median, ratio
from tinygrad_lite.support.devices import module_of, to_device

SIZES = (Size(100), Size(1_000), Size(4_096, (4_096, 4_096)))
REFERENCE = "PyTorch eager"
HEADS = ("who", "µs a step", f"times {REFERENCE}")


class Gpu(NamedTuple):
    """Where the steps are compared.

    Attributes
    ----------
    device, torch_device : str
        What the library calls it, and PyTorch.
    name : str
        Its own name, and the versions of what computes there.
    synchronize : callable
        Waits for all that is under way there: what was called has returned before it is computed.
    """

    device: str
    torch_device: str
    name: str
    synchronize: Callable[[], Any]


def found() -> Gpu:
    """Return the GPU of this machine.

    Raises
    ------
    DeviceError
        If there is none, or CuPy is not installed.
    Unavailable
        If PyTorch is not installed, or cannot use it.
    """
    cupy = module_of("cuda")
    try:
        import torch
    except ModuleNotFoundError:
        raise peers.Unavailable(
            "PyTorch, which is compared with, is not installed: pip install -e '.[bench]'"
        ) from None
    if not torch.cuda.is_available():
        raise peers.Unavailable(f"PyTorch {torch.__version__} finds no GPU: install a build of it for CUDA")

    def synchronize() -> None:
        cupy.cuda.Device().synchronize()
        torch.cuda.synchronize()

    name = f"{torch.cuda.get_device_name()}; CuPy {cupy.__version__}; PyTorch {torch.__version__}"
    return Gpu("cuda", "cuda", name, synchronize)


def steps(gpu: Gpu) -> dict[str, MakeStep]:
    """Return what is compared on a GPU."""
    return {
        "tinygrad_lite eager": _moved(own.OwnStep, gpu.device),
        "tinygrad_lite jit": _moved(own.JitStep, gpu.device),
        REFERENCE: _moved_torch(peers.TorchStep, gpu.torch_device),
        "PyTorch compiled": _moved_torch(peers.TorchCompiledStep, gpu.torch_device),
    }


def _moved(make: type[own.OwnStep], device: str) -> MakeStep:
    """Return a step of the library on a device."""

    class Moved(make):  # type: ignore[misc, valid-type]
        def __init__(self, parameters: list[np.ndarray]) -> None:
            super().__init__(parameters)
            self.net.to(device)

        def batch(self, images: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
            return to_device(images, device), to_device(targets, device)

    return Moved


def _moved_torch(make: type[peers.TorchStep], device: str) -> MakeStep:
    """Return a step of PyTorch's on a device."""

    class Moved(make):  # type: ignore[misc, valid-type]
        def __init__(self, parameters: list[np.ndarray]) -> None:
            super().__init__(parameters)
            self.parameters = [p.detach().to(device).requires_grad_(p.requires_grad) for p in self.parameters]
            self.optimizer = self.torch.optim.SGD(self.parameters, LR)

        def batch(self, images: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
            return tuple(x.to(device) for x in super().batch(images, targets))

        def weights(self) -> list[np.ndarray]:
            return [p.detach().cpu().numpy() for p in self.parameters]

    return Moved


def measure(gpu: Gpu, size: Size, makers: Mapping[str, MakeStep], rounds: int) -> tuple[Times, str]:
    """Return the seconds a step of each, of each turn, and a line for each that is left out."""
    work = Work(size)

    def turns(step: Step) -> Callable[[], None]:
        turn = work.turns(step)

        def synchronised() -> None:
            turn()
            gpu.synchronize()

        return synchronised

    there, missing = available({name: lambda make=make: turns(make(work.parameters)) for name, make in makers.items()})
    return work.measure(there, rounds), missing


def tables(gpu: Gpu, sizes: Sequence[Size], rounds: int) -> tuple[list[tuple[str, Rows]], str]:
    """Compare the steps at several sizes.

    Parameters
    ----------
    gpu : Gpu
        Where.
    sizes : sequence of Size
        How large the steps are.
    rounds : int
        How often each has its turn.

    Returns
    -------
    list of (str, rows), str
        The title and the table of each size, and a line for each that is left out.
    """
    made, left_out = [], {}
    for size in sizes:
        times, missing = measure(gpu, size, steps(gpu), rounds)
        rows = [(name, f"{median(times, name):.0f}", f"{ratio(times, name, REFERENCE):.2f}") for name in times]
        made.append((f"One training step, {size}, float32, on {gpu.name}", [HEADS, *rows]))
        left_out[missing] = None
    return made, "".join(left_out)
