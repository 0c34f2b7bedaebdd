"""What must hold of a random program: the same values, types and derivatives in whatever way it is run.

How far two ways may round apart is not guessed: the program is run in float32 and in float64, and what lies between the
two says how much it amplifies rounding. Where these happen to agree, as on terms that cancel, it is run again with all
values shaken as rounding may: what it makes of that is in proportion to the sizes of the terms. Where it amplifies too
much to tell, nothing is said.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

import tinygrad_lite as tg
from tests.fuzz.program import NAME, NAMES
from tinygrad_lite.arrays import raw

# What a user may be told where plain NumPy would go on: errors in words.
IN_WORDS = tg.ShapeError, tg.GraphError, tg.JitError, TypeError
INTERNAL = AttributeError, KeyError, AssertionError, RecursionError
# What Python's own numbers say, which a program of NumPy's does not.
OF_NUMBERS = ZeroDivisionError, OverflowError
POWER_OF_NUMBERS = "decides the type of a power of Python numbers"
CALLS = 0, 1, 0
HESSIAN_SIZE = 9
SHAKES = 3  # how often a doubtful program is run with its values shaken
SLACK = 64.0  # units of rounding, besides what the program amplifies
TRUSTED = 1e3  # how much a program may amplify rounding for its values to be compared
ROUNDING = {np.dtype(t): float(np.finfo(t).eps) for t in ("float16", "float32", "float64")}
KINKS = re.compile(r"max|min|%|//|floor|remainder|clip|abs|relu|where|sort|sign|[<>]|[!=]=")
POWERS = re.compile(r"\*\* [xv]|power\(\w+, [xv]|power_of")
PRODUCTS = re.compile(r"@|matmul|linear|dot|inner|outer|einsum|linspace")


class Difference(AssertionError):
    """Two ways to run a program that do not agree; ``kind`` says in what."""

    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")
        self.kind = kind


def check(program, peer=None):
    """Raise a `Difference` unless a program gives the same in every way.

    Parameters
    ----------
    program : Program
        What to run.
    peer : module, optional
        JAX, to compare gradients with.
    """
    for call in (0, 1):
        steps_agree(program, call)
    modes_agree(program.function(), program.shaken, program, "values")
    if not program.shares():  # else the derivative by one argument is not that by what both of them are
        derivatives_agree(program, peer)


def compare(a, b, single, double, unit, kind, text, shaken=None):
    """Compare two arrays of the same shape and type, given what the same computation gives in float32 and in float64.

    An element is told to be wrong where it differs by more than rounding can explain, and the computation is stable
    enough there to say so: float32 and float64 agree on it, or on its being infinite or no number. So do the arrays, if
    they can be had, that ``shaken(seed)`` computes in float64 from values that are off by what float32 rounds.
    """
    if a.dtype.kind != "f":
        if np.array_equal(single, double) and np.array_equal(a, double) and not np.array_equal(a, b):
            raise Difference(kind, f"{text}:\n{a!r}\nand\n{b!r}")
        return
    if _are_wrong(a, b, [single], double, unit).any():
        others = [] if shaken is None else [shaken(seed) for seed in range(SHAKES)]
        others = [np.asarray(x) for x in others if x is not None and np.shape(x) == double.shape]
        if _are_wrong(a, b, [single, *others], double, unit).any():
            raise Difference(kind, f"{text}:\n{a!r}\nand\n{b!r}, in float64\n{double!r}")


def _are_wrong(a, b, others, double, unit):
    """Return which elements differ by more than rounding can explain, to judge by others that round otherwise."""
    alike = np.all([_alike(x, double) for x in others], axis=0)
    finite = np.isfinite(double) & np.all([np.isfinite(x) for x in others], axis=0)
    apart = np.max([np.abs(x - double) for x in others], axis=0)
    amplified = np.where(finite, apart, 0) / ROUNDING[np.dtype(np.float32)]
    # An element may have been lucky: the usual ones stand for one another.
    usual = finite & (np.abs(double) < 1e6)
    amplified = np.maximum(amplified, amplified.max(initial=0, where=usual))
    size = np.maximum(np.abs(double), np.abs(double).max(initial=0, where=usual))
    sure = finite & (amplified <= TRUSTED * (1 + size)) & (np.abs(double) < 0.01 * float(np.finfo(a.dtype).max))
    sure &= np.isfinite(a) | np.isfinite(b)
    if unit < 1e-4:  # float16 overflows where neither of the two does
        sure |= alike & ~finite
    cancelled = 0.01 if unit > 1e-4 else 4 * np.finfo(a.dtype).tiny  # what float16 leaves of terms that cancel
    close = np.abs(a.astype(float) - b) <= SLACK * unit * (size + amplified) + cancelled
    return sure & ~(close | _alike(a, b))


def _alike(a, b):
    return (a == b) | (np.isnan(a) & np.isnan(b))


def coarsest(values, text=""):
    """Return the unit of rounding of the narrowest floating type among values, or named in a text."""
    arrays = [np.asarray(raw(x)).dtype for x in values]
    named = [np.dtype(name) for name in re.findall(r"float\d\d", text)]
    return max(ROUNDING.get(dtype, 0.0) for dtype in [np.dtype("float64"), *arrays, *named])


def steps_agree(program, call):
    """Run a program step by step on Tensors and on plain arrays, whose types are made to follow the library's rule."""
    kinds = (tg.Tensor, None), (np.asarray, None), (np.asarray, np.float32), (np.asarray, np.float64)
    spaces = [NAMES | program.named_arguments(call, *kind) for kind in kinds]
    names = [f"x{i}" for i in range(len(program.inputs))]
    for step in program.steps:
        if step.target is None and isinstance(spaces[1][NAME.findall(step.text)[0]], np.generic):
            return  # NumPy's own numbers do not change in place
        before = program.steps[: program.steps.index(step)]
        if step.target is None and any("diag" in earlier.text for earlier in before):
            return  # NumPy's diagonals are read-only; on Tensors that of a matrix which is not in C order is a copy
        if step.target is None and _are_other_views(NAME.findall(step.text)[0], names, *spaces[:2]):
            return
        errors = [run(step.line(plain=space is not spaces[0]), space) for space in spaces]
        if any(errors):
            if not (_is_of_nothing(step, spaces[1]) and isinstance(errors[0], IndexError)):
                _refused_alike(step.line(), *errors[:2])
            return
        if step.target is not None:
            names.append(step.target)
            _follow(step, *spaces)
        unit = coarsest([space[name] for name in names for space in spaces[:2]])
        for name in names if step.target is None else [step.target]:
            tensor, plain, single, double = (np.asarray(raw(space[name])) for space in spaces)
            where = f"{name}, after {step.line()}, in NumPy and on Tensors"
            if plain.shape != tensor.shape:
                raise Difference("shape", f"{where}: {plain.shape} and {tensor.shape}")
            if plain.dtype.kind == tensor.dtype.kind == "c":
                return  # as a root of a negative number of Python's is: of such no type is promised
            if plain.dtype != tensor.dtype:
                raise Difference("type", f"{where}: {plain.dtype} (by the library's rule) and {tensor.dtype}")
            if _tells_nothing(step, spaces[1], tensor.dtype):
                return
            if single.shape == double.shape == plain.shape:
                if (np.isfinite(double) & ~np.isfinite(plain) & ~np.isfinite(tensor)).any():
                    return  # what has overflowed in a narrow type tells nothing about what follows
                until = replace(program, steps=program.steps[: program.steps.index(step) + 1], returned=(name,))
                compare(plain, tensor, single, double, unit, "value", where, _shaken_last(until, call))


def _are_other_views(changed, names, tensors, plain):
    """Return whether other values share the changed one's memory than in NumPy, since some lie in another order.

    No order in memory is promised, of composed functions such as `np.pad`: so neither is whether a reshape is a view.
    """

    def arrays(space):
        return [np.asarray(raw(space[name])) for name in names]

    def orders(space):
        return [(x.flags.c_contiguous, x.flags.f_contiguous) for x in arrays(space)]

    def shared(space):
        return [np.shares_memory(raw(space[changed]), x) for x in arrays(space)]

    return orders(tensors) != orders(plain) and shared(tensors) != shared(plain)


def _shaken_last(program, call):
    """Return what computes, from a seed, the only result of a program with its values shaken; None if that fails."""

    def last(seed):
        values = _in_type(np.float64, program.shaken(seed), program, call)
        return values and raw(values[0])

    return last


def run(line, space):
    """Run a line; return its error, or None."""
    try:
        exec(line, space)
    except Exception as error:
        return error
    return None


def _tells_nothing(step, space, dtype):
    """Return whether NumPy itself gives this or that: if a number overflows in the type of the result, as in float16.

    For truth values it is the narrowest type that is compared. So NumPy does of a remainder in float16, too, depending
    on how the divisor is rounded.
    """
    if dtype == np.float16 and re.search("%|//|remainder|mod|floor_divide", step.text):
        return True
    operands = [np.asarray(raw(space[name])) for name in step.names()]
    compared = [x.dtype for x in operands if x.dtype.kind == "f"]
    if dtype.kind == "b" and compared:
        dtype = min(compared, key=lambda t: t.itemsize)
    fitting = [np.isfinite(x.astype(dtype) if dtype.kind == "f" else x) for x in operands]
    overflows = any((np.isfinite(x) > y).any() for x, y in zip(operands, fitting, strict=True))
    return overflows or _multiplies_infinities(step, space)


def _multiplies_infinities(step, space):
    """Return whether a product is of infinite numbers: what it is of 0 and these depends on the routine NumPy takes."""
    operands = [np.asarray(raw(space[name])) for name in step.names()]
    return bool(PRODUCTS.search(step.text)) and not all(np.isfinite(x).all() for x in operands)


def _is_of_nothing(step, space):
    """Return whether an operand has no elements: NumPy does not check the positions of what is picked from it."""
    return any(np.size(raw(space[name])) == 0 for name in step.names())


def _any_step(program, call, holds):
    """Return whether ``holds(step, space)`` for a step of a program and the values there are after it, run eagerly."""
    space = NAMES | program.named_arguments(call)
    return any(run(step.line(), space) is None and holds(step, space) for step in program.steps)


def _refused_alike(line, error, expected):
    if isinstance(error or expected, OF_NUMBERS):
        return
    if error is None and expected is not None:
        raise Difference("not refused", f"{line} works on Tensors; in NumPy it ends with {expected!r}")
    if expected is None and not isinstance(error, (*IN_WORDS, np.exceptions.AxisError)):
        raise Difference("error", f"{line} works in NumPy; on Tensors it ends with {error!r}") from error
    if isinstance(error, INTERNAL) and type(error) is not type(expected):
        raise Difference("error", f"{line} ends with {error!r} on Tensors, with {expected!r} in NumPy") from error


def _follow(step, tensors, plain, single, double):
    """Give a plain result the type it has by the library's rule: the floating Tensors decide, then the arrays.

    Whole numbers among themselves and Python's give the default type; what a bound limits keeps its own.
    """
    result, value = np.asarray(raw(tensors[step.target])), plain[step.target]
    named = [tensors[name] for name in NAME.findall(step.text)]
    kind = np.asarray(value).dtype.kind
    # Of an int64 and an uint64 NumPy makes a float64.
    is_whole = kind in "iu" or any(getattr(x, "dtype", None) == np.uint64 for x in named)
    if is_whole and result.dtype.kind in "iu" and any(isinstance(x, np.integer) for x in named):
        kind = result.dtype.kind
        plain[step.target] = value.astype(result.dtype)  # NumPy's whole numbers adapt as Python's do
    is_of_python, is_whole = re.search(r"\*\*|power|difference", step.text), {kind, result.dtype.kind} <= set("iu")
    if is_of_python and is_whole and any(np.asarray(raw(x)).dtype.kind == "b" for x in named):
        # True**2 is int8 by NumPy's operator, int64 by np.power; the difference has a 0 of Python's among its operands.
        plain[step.target] = np.asarray(value).astype(result.dtype)[()]
    if kind != "f" or "astype" in step.text or not any(isinstance(x, tg.Tensor) for x in named):
        return
    text = re.sub(r"np\.full\([^)]*\), \w+\)", "full()", step.text)  # its result is an array
    text = re.sub(r"where\([^,]*|((?:clip|full_like|meshgrid|broadcast_arrays)\(\w+).*", r"\1", text)
    operands = [x for x in (tensors[name] for name in NAME.findall(text)) if isinstance(x, (tg.Tensor, np.ndarray))]
    floating = [
        x.dtype
        for x in operands
        if x.dtype.kind == "f" and (isinstance(x, tg.Tensor) or re.search("clip|full_like", text))
    ]
    if not isinstance(tensors[step.target], tg.Tensor) and not re.search("floor_divide|//", text):
        return  # NumPy's own, such as np.full
    if floating:
        dtype = np.result_type(*floating)
    elif re.search(r"(full|eye|zeros|ones|inner|outer|clip|append|block|choose|kron|stack|concatenate)\(", text):
        dtype = result.dtype  # arrays without a name take part
    elif arrays := [x.dtype for x in operands if x.dtype.kind == "f"]:
        dtype = np.result_type(*arrays)
    elif np.asarray(value).dtype == np.float16 or re.search(r"rule\(|F\.", text):
        # NumPy computes of small whole numbers in float16, too coarse to compare, and rules wrap around on the way.
        value, dtype = result.copy(), result.dtype
        plain[step.target], single[step.target], double[step.target] = (value.astype(t) for t in (dtype, "f4", "f8"))
    else:
        dtype = tg.get_default_dtype()
    if value.dtype != dtype:
        plain[step.target] = value.astype(dtype)


def modes_agree(f, shaken, program, what):
    """Call a function of the program's arguments eagerly and jitted, with changed arguments in between.

    Parameters
    ----------
    f : callable
        Takes the program's arguments, returns a tuple.
    shaken : callable
        Takes a seed; returns a function that computes the same from values that are shaken as rounding may.
    program : Program
        What has the arguments.
    what : str
        What the function computes.
    """
    jitted = tg.jit(f)
    for call in CALLS:
        eager, compiled = ([attempt(g, arguments := program.arguments(call)), arguments] for g in (f, jitted))
        a, b = eager[0], compiled[0]
        if isinstance(b, tg.JitError) or isinstance(a, OF_NUMBERS) or _is_stricter(b):
            return
        if isinstance(a, Exception) or isinstance(b, Exception):
            one_refuses = not (isinstance(a, Exception) and isinstance(b, Exception))
            # Of nothing, a program checks what positions are picked, and not whether what it changes is read-only.
            is_unpromised = isinstance(b, IndexError) or (isinstance(a, ValueError) and "read-only" in str(a))
            if one_refuses and not (is_unpromised and _any_step(program, call, _is_of_nothing)):
                raise Difference(f"jit refuses {what}", f"in call {call}, eagerly {a!r}, jitted {b!r}")
            return
        runs = [_in_type(dtype, f, program, call) for dtype in (np.float32, np.float64)]
        exact = None if None in runs else runs
        unit = coarsest([*eager[1], *a], program.definition())
        for i, (x, y) in enumerate(zip([*a, *eager[1]], [*b, *compiled[1]], strict=True)):
            where = f"in call {call}, number {i} of results and arguments, eagerly and jitted"
            if isinstance(x, tg.Tensor) is not isinstance(y, tg.Tensor):
                raise Difference(f"jit type of {what}", f"{where}: {x!r} and {y!r}")
            x, y = np.asarray(raw(x)), np.asarray(raw(y))
            if (x.shape, x.dtype) != (y.shape, y.dtype):
                raise Difference(f"jit type of {what}", f"{where}: {x.dtype} {x.shape} and {y.dtype} {y.shape}")
            if exact is not None:
                single, double = (np.asarray(raw(values[i])) for values in exact)
                if single.shape == double.shape == x.shape:

                    def again(seed, i=i, call=call):
                        values = _in_type(np.float64, shaken(seed), program, call)
                        return values and raw(values[i])

                    try:
                        compare(x, y, single, double, unit, f"jit {what}", where, again)
                    except Difference:
                        if not _any_step(program, call, _multiplies_infinities):
                            raise


def _in_type(dtype, f, program, call):
    """Return what a function gives, and what becomes of its arguments, in one floating type; None if it fails."""
    arguments, usual = program.arguments(call, floating=dtype), tg.get_default_dtype()
    tg.set_default_dtype(dtype)  # of whole numbers
    try:
        results = attempt(f, arguments)
    finally:
        tg.set_default_dtype(usual)
    return None if isinstance(results, Exception) else [*results, *arguments]


def _is_stricter(error):
    """Return whether a program refuses in words what is right eagerly.

    A view of one number, where NumPy has a scalar, which has no views; a power whose type would be another one; floats
    that NumPy would cut off to write them into a plain array of whole numbers.
    """
    of_a_view = isinstance(error, tg.GraphError) and "shares its memory" in str(error)
    of_a_type = isinstance(error, TypeError) and "convert the array by .astype()" in str(error)
    return of_a_view or of_a_type or (isinstance(error, ValueError) and POWER_OF_NUMBERS in str(error))


def attempt(f, args):
    """Call a function; return what it returns or raises."""
    try:
        return f(*args)
    except Exception as error:
        return error


def derivatives_agree(program, peer):
    """Compare first and second derivatives with differences, eager ones with jitted ones, the first with a peer's."""
    name = _differentiable(program)
    numbers = tuple(i for i, x in enumerate(program.arguments(0)) if isinstance(x, tg.Tensor) and x.dtype.kind == "f")
    if name is None or not numbers or _changes_an_array(program):
        return
    if any((np.abs(np.asarray(raw(x))) == 1e20).any() for call in CALLS for x in program.arguments(call)):
        return  # its cosine has no digits left, and its square overflows or not by the order of factors
    program = replace(program, returned=(name,))
    double = program.in_double()
    gradient, _, curvature = _derivatives(program.function(), numbers)
    first = _checked(gradient, program, numbers, "gradient")
    if first is None:
        return
    second = _checked(curvature, program, numbers, "second derivative")
    if _is_sound(double):
        gradient_in_double, slope_in_double, curvature_in_double = _derivatives(double.function(), numbers)
        exact = attempt(gradient_in_double, double.arguments(0, floating=np.float64))
        if isinstance(exact, IN_WORDS):
            return  # in float64 alone, such as a view that was a copy by its type
        sure = differences_agree(_loss(double.function(plain=True)), double, np.array, numbers, exact, "gradient")
        if peer is not None:
            peer_agrees(double, numbers, exact, sure, peer)
        if second is not None and all(np.isfinite(g.numpy()).all() for g in exact):
            exact = attempt(curvature_in_double, double.arguments(0, floating=np.float64))
            differences_agree(slope_in_double, double, tg.Tensor, numbers, exact, "second derivative")

    def all_of(f):
        gradient, _, curvature = _derivatives(f, numbers)
        by_container = _by_container(f, numbers)

        def derivatives(*args):
            found = (*gradient(*args), *by_container(*args))
            return found if second is None else (*found, *curvature(*args))

        return derivatives

    containers_agree(first, program, numbers)
    if second is not None:
        hessian_agrees(program, numbers, second)
    what = "gradient" if second is None else "derivatives"
    modes_agree(all_of(program.function()), lambda seed: all_of(program.shaken(seed)), program, what)


def _changes_an_array(program):
    """Return whether a step writes into a plain array: operations keep those, and must find them unchanged."""
    space = NAMES | program.named_arguments(0, tg.Tensor, None)
    for step in program.steps:
        if run(step.line(), space) is not None:
            return False
        if step.target is None and isinstance(space[NAME.findall(step.text)[0]], np.ndarray):
            return True
    return False


def _loss(f):
    """Return the function that makes one number of what a program returns."""

    def loss(*args):
        y = f(*args)[0]
        return (y * np.linspace(0.5, 1.5, y.size).reshape(y.shape)).sum()

    return loss


def _by_container(f, numbers):
    """Return the gradient as `_derivatives` does, but by one dictionary, with a tuple in it, of what it is by."""

    def packed(chosen, *args):
        args = list(args)
        for i, x in zip(numbers, (chosen["first"], *chosen["others"]), strict=True):
            args[i] = x
        return _loss(f)(*args)

    gradient = tg.grad(packed)

    def by_container(*args):
        first, *others = (args[i] for i in numbers)
        found = gradient({"first": first, "others": tuple(others)}, *args)
        return (found["first"], *found["others"])

    return by_container


def containers_agree(gradient, program, numbers):
    """Compare a gradient with that by a dictionary: to the last bit, since the steps are the same."""
    found = attempt(_by_container(program.function(), numbers), program.arguments(0))
    if isinstance(found, Exception):
        raise Difference("gradient by a container", f"{found!r}") from found
    for i, x, y in zip(numbers, gradient, found, strict=True):
        if x.dtype != y.dtype or not np.array_equal(x.numpy(), y.numpy(), equal_nan=True):
            raise Difference("gradient by a container", f"by x{i}: {x!r} and {y!r}")


def hessian_agrees(program, numbers, curvature):
    """Compare a small Hessian, weighted as `_derivatives` weights the gradient, with the derivative of that."""
    arguments = program.arguments(0)
    if sum(arguments[i].size for i in numbers) > HESSIAN_SIZE:
        return
    found = attempt(tg.hessian(_loss(program.function()), numbers), arguments)
    if isinstance(found, IN_WORDS):
        return  # such as a derivative that is constant by an argument whose value was taken
    if isinstance(found, Exception):
        raise Difference("hessian", f"{found!r}") from found
    of_bytes = [np.float16(0) for x in arguments if np.asarray(raw(x)).dtype.itemsize == 1]  # as NumPy computes of them
    unit = coarsest([*arguments, *of_bytes], program.definition())
    for j, exact in enumerate(curvature):
        terms = [
            np.reshape(_weights(arguments[i], k), (-1, 1)) * found[k][j].numpy().reshape(arguments[i].size, exact.size)
            for k, i in enumerate(numbers)
        ]
        terms = np.concatenate(terms).astype(float)
        total = terms.sum(axis=0).reshape(exact.shape)
        size = np.abs(terms).sum(axis=0).reshape(exact.shape)
        sure = np.isfinite(size) & np.isfinite(exact.numpy())
        # Where it was summed in another order, each of the sums before it rounds by no more than its terms' sizes.
        # Terms may be larger before they cancel, as those of derivatives of 1 / x near 0, or of a softmax close to 1.
        bound = max(1e5 * unit, 1e-7) * max(1.0, size.max(initial=0, where=sure))
        if (sure & ~(np.abs(total - exact.numpy()) <= bound)).any():
            raise Difference("hessian", f"by x{numbers[j]}: {total!r} and {exact!r}")


def _weights(x, k):
    return np.cos(np.arange(x.size).reshape(x.shape) + k)


def _derivatives(f, numbers):
    """Return the gradient, a number made of it, and the gradient of that, as functions of a function's arguments."""
    gradient = tg.grad(_loss(f), numbers)

    def slope(*args):
        total = 0.0
        for k, g in enumerate(gradient(*args)):
            total = total + (g * _weights(g, k)).sum()
        return total

    return gradient, slope, tg.grad(slope, numbers)


def _checked(f, program, numbers, kind):
    """Return derivatives, which must be of the arguments' shapes and types; None if they are refused in words."""
    arguments = program.arguments(0)
    found = attempt(f, arguments)
    if isinstance(found, IN_WORDS):
        return None
    if isinstance(found, Exception):
        raise Difference(f"error in {kind}", f"of {program.returned[0]}: {found!r}, {found.__notes__}") from found
    for g, i in zip(found, numbers, strict=True):
        if (g.shape, g.dtype) != (arguments[i].shape, arguments[i].dtype):
            raise Difference(f"type of {kind}", f"by x{i}, {arguments[i].dtype}: {g.dtype} {g.shape}")
    return found


def _differentiable(program):
    """Return the name of the last result that is a floating Tensor with elements, if there is one."""
    space = NAMES | program.named_arguments(0)
    found = None
    for step in program.steps:
        if run(step.line(), space) is not None:
            return None
        y = space.get(step.target)
        if isinstance(y, tg.Tensor) and y.dtype.kind == "f" and y.size:
            found = step.target
    return found


def _is_sound(program):
    """Return whether differences say what derivatives must be: all is finite, and nothing cuts or rounds on the way.

    A root of 0 has no finite derivative, even where what comes after makes nothing of it; and what is chosen at a kink
    is a matter of taste, even where another kink makes up for it.
    """
    space = NAMES | program.named_arguments(0, np.array, np.float64)
    names = [f"x{i}" for i in range(len(program.inputs))]
    results = []
    for step in program.steps:
        if ".detach" in step.text or ".numpy" in step.text or run(step.line(plain=True), space) is not None:
            return False
        if step.target is not None:
            names.append(step.target)
            results.append(step.target)
        if not all(np.isfinite(space[name]).all() for name in results):
            return False
        if re.search(r"sqrt|\*\*|power", step.text) and step.target and not np.all(space[step.target]):
            return False
        if POWERS.search(step.text) and any(np.any(raw(space[name]) < 0) for name in step.names()):
            return False  # by its exponent a power of a negative number has no derivative
    if KINKS.search(program.definition()):
        arrays = [np.asarray(space[name]).ravel() for name in names]
        return all(np.all(x) and len(np.unique(x)) == x.size for x in arrays if x.dtype.kind == "f")
    return True


def differences_agree(f, program, kind, numbers, derivatives, what):
    """Compare derivatives with central differences, where several step sizes and both sides agree on what these are.

    Returns
    -------
    list of (int, tuple of int)
        Where they do: the argument and the index of each such element.
    """
    rng = np.random.default_rng(0)
    sure = []

    def at(i, index, value):
        arguments = program.arguments(0, np.array, np.float64)
        arguments[i] = np.array(arguments[i])
        arguments[i][index] = value
        return float(
            f(*(kind(x) if which.is_tensor else x for x, which in zip(arguments, program.inputs, strict=True)))
        )

    for i, g in zip(numbers, derivatives, strict=True):
        base = raw(program.arguments(0, floating=np.float64)[i])
        for flat in rng.permutation(base.size)[:4]:
            index = tuple(int(k) for k in np.unravel_index(flat, base.shape))
            x = base[index]
            if 1e4 < abs(x) < np.inf:
                continue
            h = 1e-5 * max(1.0, abs(x)) if np.isfinite(x) else 1.0
            values = np.array([at(i, index, x + k * h) for k in (-2, -1, 0, 1, 2)])
            slopes = np.diff(values) / h
            scale = 1 + abs(slopes.mean()) + 1e-9 * np.abs(values).max() / h
            if np.ptp(slopes) < 3e-4 * scale and abs(slopes.mean() - slopes[1:3].mean()) < 2e-5 * scale:
                sure.append((i, index))
                if what != "gradient" and np.isinf(x) and np.isnan(g.numpy()[index]):
                    continue  # 0·∞ in the derivative of a textbook's formula, that of arctan or erf
                if not abs(g.numpy()[index] - slopes[1:3].mean()) <= 1e-3 * scale:
                    text = f"by x{i}{list(index)}: {g.numpy()[index]}, by differences {slopes[1:3].mean()}"
                    raise Difference(f"{what} is wrong", text)
    return sure


def peer_agrees(program, numbers, derivatives, sure, peer):
    """Compare first derivatives with those of JAX, which runs the same text, where there is no kink."""
    if re.search(r"\b(F|rule|tg)\b", program.definition()):
        return
    f = program.function(NAMES | {"np": peer.numpy}, plain=True)
    arguments = [peer.numpy.asarray(x) for x in program.arguments(0, np.array, np.float64)]
    found = attempt(peer.grad(_loss(f), numbers), arguments)
    if isinstance(found, Exception):
        return  # such as a change in place
    for i, index in sure:
        ours, theirs = derivatives[numbers.index(i)].numpy()[index], float(found[numbers.index(i)][index])
        if not abs(ours - theirs) <= 1e-7 * (1 + abs(theirs)):
            raise Difference("gradient is not JAX's", f"by x{i}{list(index)}: {ours}, of JAX {theirs}")
