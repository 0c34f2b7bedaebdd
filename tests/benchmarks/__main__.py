"""How fast the library is, beside others: ``python -m tests.benchmarks sizes``, and what else ``--help`` lists."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from models.command import Parser, whole
from tests.benchmarks.harness import Benchmark, Candidate, NotRun, figures_of, machine, measure, report
from tests.benchmarks.nets import BATCHES
from tests.benchmarks.steps import Size
from tinygrad_lite.parallel import SIZES as RANKS_STARTED
from tinygrad_lite.support.files import write_atomically

FLOOR, BY_HAND, TORCH = "the bare matrix products", "NumPy by hand", "PyTorch eager"
JIT, EAGER = "tinygrad_lite jit", "tinygrad_lite eager"
STEPS = {
    FLOOR: Candidate("by_hand", "floor"),
    JIT: Candidate("ours", "jit"),
    "tinygrad_lite jit, an epoch": Candidate("ours", "epoch"),
    EAGER: Candidate("ours", "eager"),
    BY_HAND: Candidate("by_hand", "vectorised"),
    "by hand, out=": Candidate("by_hand", "in_place"),
    "by hand, out=, accumulated": Candidate("by_hand", "accumulated"),
    "by hand, float64": Candidate("by_hand", "vectorised", {"dtype": "float64"}),
    "JAX, an epoch compiled": Candidate("jax", "epoch"),
    "JAX, a step compiled": Candidate("jax", "jit"),
    "PyTorch compiled": Candidate("torch", "compiled"),
    "PyTorch max-autotune": Candidate("torch", "compiled", {"mode": "max-autotune"}),
    TORCH: Candidate("torch", "eager"),
    "MyGrad": Candidate("mygrad", "eager"),
    "autograd": Candidate("autograd", "eager"),
    "advect staged": Candidate("advect", "staged"),
    "advect": Candidate("advect", "eager"),
    "numpygrad": Candidate("numpygrad", "eager"),
}
CHAINED = ("torch", "mygrad", "autograd", "advect", "numpygrad")
CHAINS = {"Python floats": Candidate("by_hand", "chain"), "tinygrad_lite": Candidate("ours", "chain")}
CHAINS |= {library: Candidate(library, "chain") for library in CHAINED}
NETS = {who: STEPS[who] for who in (EAGER, JIT, TORCH, "JAX, a step compiled", "MyGrad", "numpygrad")}
NETS = {who: Candidate(c.library, "net", {"compiled": True} if who == JIT else {}) for who, c in NETS.items()}
PROGRAMS = {"models.mnist": ["models.mnist", "--data", "mnist", "--out"], "by hand": ["tests.models.by_hand"]}
DEEP, OF_A_LANGUAGE_MODEL = (784, 512, 256, 10), (64, 256, 64)
SIZES = (Size(10), Size(100), Size(1_000), Size(100, DEEP), Size(1_024, OF_A_LANGUAGE_MODEL))
SIZES_OF_RANKS = (Size(100), Size(1_000), Size(1_000, DEEP))
SIZES_ON_GPU = (Size(100), Size(1_000), Size(4_096, (784, 4_096, 4_096, 10)))
MESSAGES = (1, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)  # numbers of float32
DEPTHS = (1_000, 10_000, 100_000, 1_000_000)
STEP, SCALAR = "One training step, float32", "One operation on a scalar, forward and backward"


def steps(sizes: Iterable[Size]) -> dict[str, Any]:
    """Return the cases of these sizes."""
    return {str(size): ([size], size.steps) for size in sizes}


def chains(lengths: Iterable[int]) -> dict[str, Any]:
    """Return the cases of chains of these lengths."""
    return {f"{n:,} in a chain": ([n], n) for n in lengths}


def of_the_compiler(size: Size) -> Iterator[Benchmark]:
    """Yield where the time of a step goes, and what compiling takes."""
    some = {name: STEPS[name] for name in (FLOOR, BY_HAND, JIT)} | {"clocked": Candidate("compiler", "clocked")}
    yield Benchmark(STEP, steps([size]), some, BY_HAND, FLOOR)
    first = {"the first call": Candidate("compiler", "first_call")}
    yield Benchmark("Compiling it", {str(size): ([size], 1)}, first, "the first call")


def of_trees(tree: Path) -> Benchmark:
    """Return the comparison of this checkout with another one."""
    candidates = {
        "this tree": Candidate("ours", "either"),
        str(tree): Candidate("ours", "either", {}, str(tree.resolve())),
    }
    cases: Any = {f"{mode}, {size}": ([mode, size], size.steps) for size in SIZES for mode in ("jit", "eager")}
    return Benchmark(
        "One step of two checkouts, float32", cases | {"a scalar": (["chain", 1_000], 1_000)}, candidates, str(tree)
    )


def of_ranks(ranks: int) -> Iterator[Benchmark]:
    """Yield the comparisons of ranks with one process, and of their all-reduces by length."""
    if any(os.environ.get(name, "1") != "1" for name in RANKS_STARTED):
        raise NotRun(f"parallel starts the ranks itself: python -m tests.benchmarks parallel --ranks {ranks}")
    mpiexec = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if mpiexec is None:
        raise NotRun("parallel needs mpiexec: pip install -e '.[mpi]' brings it")
    start: Any = {"module": "tests.benchmarks.libraries.ranks", "launcher": (mpiexec, "-n", str(ranks))}
    some = {"one process": STEPS[JIT], f"{ranks} ranks": Candidate("ranks", "step", **start)}
    yield Benchmark(f"{STEP}, the batch shared by ranks", steps(SIZES_OF_RANKS), some, "one process")
    one = {f"{ranks} ranks": Candidate("ranks", "all_reduce", **start)}
    lengths: Any = {f"{n:,} numbers": ([n], 1) for n in MESSAGES}
    yield Benchmark("An all-reduce, float32", lengths, one, f"{ranks} ranks")


def on_gpu() -> Benchmark:
    """Return the comparison of the step on a GPU with PyTorch's there."""
    some = {name: STEPS[name] for name in (EAGER, JIT, "PyTorch compiled", TORCH)}
    some["tinygrad_lite jit, no kernels fused"] = Candidate("ours", "unfused")
    some = {name: candidate._replace(options={"device": "cuda"}) for name, candidate in some.items()}
    return Benchmark(f"{STEP}, on a GPU", steps(SIZES_ON_GPU), some, TORCH)


def of_programs() -> Benchmark:
    """Return the comparison of whole programs."""
    candidates = {name: Candidate("programs", "program", {"words": words}) for name, words in PROGRAMS.items()}
    return Benchmark("A whole program", {"6 epochs of MNIST": ([], 1)}, candidates, "models.mnist", is_long=True)


def asked(args: Any) -> Size:
    """Return the size that was asked for."""
    return Size(args.batch_size, (784, *args.hidden, 10))


BENCHMARKS: dict[str, Callable[[Any], Iterable[Benchmark]]] = {
    "step": lambda args: [Benchmark(STEP, steps([asked(args)]), STEPS, BY_HAND, FLOOR)],
    "jit": lambda args: of_the_compiler(asked(args)),
    "scalar": lambda args: [Benchmark(SCALAR, chains([1_000]), CHAINS, "Python floats")],
    "depth": lambda args: [Benchmark(SCALAR, chains(DEPTHS), {EAGER: CHAINS["tinygrad_lite"]}, EAGER)],
    "sizes": lambda args: [Benchmark(STEP, steps(SIZES), STEPS, BY_HAND, FLOOR)],
    "nets": lambda args: [Benchmark(STEP, {net: ([net], 1) for net in BATCHES}, NETS, TORCH)],
    "own": lambda args: [of_trees(args.against)],
    "run": lambda args: [of_programs()],
    "parallel": lambda args: of_ranks(args.ranks),
    "gpu": lambda args: [on_gpu()],
}
UNASKED = ("step", "jit", "scalar", "depth")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, or 2 where it cannot be run here."""
    parser = Parser(prog="python -m tests.benchmarks", description=__doc__)
    option = partial(parser.add_argument, metavar="N")
    parser.add_argument("what", choices=BENCHMARKS, nargs="?", help=f"(without: {', '.join(UNASKED)})")
    option("--processes", type=whole(1), default=3, help="of each candidate (%(default)s)")
    option("--rounds", type=whole(1), default=7, help="turns of a process (%(default)s)")
    option("--threads", type=whole(1), help="of BLAS and the like (all cores)")
    option("--only", nargs="+", metavar="WORD", help="only candidates whose names have one of these words")
    option("--json", type=Path, metavar="FILE", help="save all that was measured")
    option("--plot", type=Path, metavar="FILE", help="save a picture of it")
    option("--python", nargs="+", default=[], metavar="LIBRARY=PATH", help="the interpreters that have libraries")
    option("--batch-size", type=whole(1), default=100, help="of step and jit (%(default)s)")
    option("--hidden", type=whole(1), nargs="+", default=[90], help="units of the hidden layers, too (90)")
    option("--against", type=Path, default=Path(), metavar="FOLDER", help="of own: the other checkout")
    option("--ranks", type=whole(2), default=2, help="of parallel (%(default)s)")
    args = parser.parse_args(arguments)
    for path in filter(None, (args.json, args.plot)):  # before minutes of measuring
        if not path.parent.is_dir():
            parser.error(f"{path}: there is no folder {path.parent}: make it first")
    command = sys.argv if arguments is None else [*arguments]
    saved: list[dict[str, Any]] = []
    try:
        for benchmark in (b for what in ([args.what] if args.what else UNASKED) for b in BENCHMARKS[what](args)):
            some = {who: c for who, c in benchmark.candidates.items() if any(w in who for w in args.only or [""])}
            found = measure(benchmark._replace(candidates=some), args)
            figures = figures_of(benchmark, found)
            print(report(benchmark, figures, found, args), flush=True)
            saved.append({"title": benchmark.title, **found._asdict(), "figures": figures})
            if args.json:
                told = {"command": command, "machine": machine(), "benchmarks": saved}
                write_atomically(args.json, json.dumps(told, indent=1, ensure_ascii=False).encode())
            if args.plot:
                from tests.benchmarks.picture import draw

                draw(benchmark, figures, args.plot)
    except NotRun as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
