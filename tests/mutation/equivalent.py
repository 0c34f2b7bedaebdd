"""The mutants that compute what the original computes, each with the reason.

They are examined like the others: one that is noticed after all must go from here.
"""

_SAME_SHAPE = "the cotangent of the output has the output's shape"
_SAME_TYPE = "the output has the input's type, and the cotangent the output's"
_ADDED_IS_RIGHT = "np.add.at is right for every index, only slower than assignment"
_SLOWER = "NumPy computes the same, only slower"
_SAME_PATH = "of two operands the path is that pair, too"
_PAIRED = "each operand has its term, and each axis its label"

_EXTREME = (
    "max, min by x: restore_axes(g, x, axis) * share(x == restore_axes(y, x, axis), x, axis)  ->  "
    "restore_axes(g, x, axis) * "
)
_UNUSED = "_einsum_back: unused = iter(sorted(set(_LABELS) - set(''.join([*terms, output]))))  ->  "
_LONG = "(label in source and other.shape[source.index(label)] == size for source, other in zip(sources, [g, *others], "
_ALONE = f"_einsum_back: elif not any({_LONG}strict=True))):  ->  "
_PATH = "contract: operands, path = ([*xs], [(0, {})])"
_TAKEN = "contract: taken = [(terms.pop(i), operands.pop(i)) for i in sorted(places, reverse=True)][::{}]"
_OPTIMIZE = ", optimize='greedy'"
_GREEDY = f"contract: path = np.einsum_path(subscripts, *lengths{_OPTIMIZE})"
_SHAPES = "contract: lengths = [np.broadcast_to({}, x.shape) for x in xs]"
_PAIRS = (
    "_contract_once: lengths = {{pair for term, x in zip(terms, xs, strict={}) for pair in "
    "zip(term, x.shape, strict={})}}"
)
_TWO = "_contract_once: s, t = terms if len({}) == 2 else ('', '')"
_OWN = "product_of_others: own = on_device_of(x, np.eye(count(x, axis), dtype=bool))  ->  "
_NAMES = "(isinstance(part, (list, tuple)) or getattr(part, 'dtype', None) not in (None, np.bool_) for part in parts)"

_EITHER = "for x, other in ((a, b), (b, a)))"
_DIFFERENCE = f"_difference: a, b = (x if hasattr(x, 'dtype') else np.zeros_like(other) + x {_EITHER}  ->  a, b = "
_LOGSUMEXP = (
    "logsumexp by x: restore_axes(g, x, axis) * share(np.exp(difference(x, restore_axes(y, x, axis))), x, axis)  ->  "
)
_WEIGHTS = "restore_axes(g, x, axis) * share(np.exp(difference(x, restore_axes(y, x, axis))), "
_POWER = "power by x: g * (n * _power(np.where((x == 0) | (n == 0), np.inf, x) if 0 <= n < 1 else x, n - 1))  ->  "

_MOVED = "x = x.transpose(order){}.transpose(shapes.inverse(order))"
_KEPT = "[1 if i in axes else n for i, n in enumerate(x.shape)]"
_IS_PRODUCT = "is_known and n in _OF_PRODUCTS and isinstance({}, np.ndarray) and (x.dtype in (np.float32, np.float64))"
_SMALL_POWER = f"_power: if {_IS_PRODUCT.format('x')}:  ->  "
_FACTORED = "return reduce(np.multiply, [x if n {} else 1 / x] * abs(int(n)))"

_MASKED = (
    "overlap_add(g[..., *[None] * len({0})] * is_first_maximum(x, y, window, axes, stride), x.shape, window, axes, "
    "stride, (1,) * len({1}))"
)
_POOL = f"max_pool by x: {_MASKED.format('window', 'window')}  ->  "
_AS_LONG = "the windows, their axes and their strides are equally many"

_PINV = "{} @ y @ y.mT + {} @ (g.mT - g.mT @ y @ a) - y.mT @ g @ y.mT"
_FACTORS = ("(g.mT - a @ y @ g.mT)", "y.mT @ y")
_CHOLESKY = "cholesky by a: of_triangle(inv(y).mT @ lower(y.mT @ g) @ inv(y))  ->  "
_EIGH = (
    "of_triangle(last(y, 1) @ (diagonal(values(g, 0)) + quotient(last(y, 1).mT @ last(g, 1), gaps(values(y, 0)))){} @ "
    "last(y, 1).mT, triangle)"
)
_QR = "return solve(r, (g_q + q @ mirrored(r @ g_r.mT - g_q.mT @ q){}).mT).mT"
_SIGNS = "signs = ((-1.0) ** ({} rows.T)).astype(a.dtype)"
_INFINITE = "_infinite_diagonal: return x + {0}  ->  return x - {0}"
_ROUNDING = "rounding = ROUNDING * np.finfo({}.dtype).eps * np.abs(s).sum(axis=-1)[..., None, None]"
_SETTLED = "return np.where(np.abs(x) {} rounding, 0, x)"
_SYMMETRIC = "that matrix is symmetric"
_MADE_SYMMETRIC = "of_triangle adds the transpose"
_STEPS = "_moved: before, after = (steps * (steps > 0), -steps * (steps < 0))  ->  before, after = "
_ONE_STEP = "the one step forward is of length 1, and filled with 1; those back are filled with 0"
_AFTER = "sum_of_products_after: "
_TERMS = "g = g + factors * _moved(g, -terms, axis, {})"
_FACTORS_OF = "factors = factors * _moved(factors, -terms, axis, {})"
_ENDED = "beyond the last element the cotangents are 0, and products with them add nothing"

EQUIVALENT = {
    f"pinv by a: {_PINV.format(*_FACTORS)}  ->  {_PINV.format(_FACTORS[0], '(y.mT @ y).mT')}": _SYMMETRIC,
    f"pinv by a: {_PINV.format(*_FACTORS)}  ->  {_PINV.format('(g.mT - (a @ y).mT @ g.mT)', _FACTORS[1])}": _SYMMETRIC,
    f"{_CHOLESKY}of_triangle(inv(y).mT @ lower(y.mT @ g).mT @ inv(y))": _MADE_SYMMETRIC,
    f"eigh by a: {_EIGH.format('')}  ->  {_EIGH.format('.mT')}": _MADE_SYMMETRIC,
    f"_qr_back: {_QR.format('')}  ->  {_QR.format('.mT')}": _SYMMETRIC,
    "cofactors: if n > SMALL:  ->  if False:": "the determinants of minors are right for every size, only slower",
    f"cofactors: {_SIGNS.format('rows +')}  ->  {_SIGNS.format('rows -')}": "the power of -1 tells even from odd",
    f"cofactors: {_SIGNS.format('rows +')}  ->  {_SIGNS.format('-rows +')}": "the power of -1 tells even from odd",
    _INFINITE.format("on_device_of(x, np.diag(np.full(_order(x), np.inf, x.dtype)))"): "x / -inf is 0, too",
    f"_settled: {_ROUNDING.format('x')}  ->  {_ROUNDING.format('s')}": "the two have one type",
    f"_settled: {_SETTLED.format('<=')}  ->  {_SETTLED.format('<')}": "no number is that bound but 0",
    _STEPS + "(steps > 0, -steps * (steps < 0))": _ONE_STEP,
    _STEPS + "(fill * (steps > 0), -steps * (steps < 0))": _ONE_STEP,
    _STEPS + "(steps * (fill > 0), -steps * (steps < 0))": _ONE_STEP,
    _STEPS + "(steps * (steps >= 0), -steps * (steps < 0))": "no step is of length 0",
    _STEPS + "(steps * (steps > 0), -steps * (steps <= 0))": "no step is of length 0",
    _STEPS + "(steps * (steps > 0), -steps * (steps < 1))": "no step is of length 0",
    f"{_AFTER}factors, terms = (_moved(x, -1, axis, 0), 1)  ->  factors, terms = (_moved(x, -1, axis, 1), 1)": _ENDED,
    f"{_AFTER}while terms < x.shape[axis]:  ->  while terms <= x.shape[axis]:": _ENDED,
    f"{_AFTER}while terms < x.shape[axis]:  ->  while terms < g.shape[axis]:": "the cotangent has the shape of x",
    f"{_AFTER}{_TERMS.format(0)}  ->  {_TERMS.format(1)}": _ENDED,
    f"{_AFTER}{_FACTORS_OF.format(0)}  ->  {_FACTORS_OF.format(1)}": _ENDED,
    "inversion: r = np.hypot(*(np.where(has_none, 1, x) for x in (a, b)))  ->  r = np.hypot(*(np.where(has_none, 2, x) "
    "for x in (a, b)))": "what has no inversion becomes any point of finite slope",
    "fmod by b: -g * np.rint((a - y) / b)  ->  -g * ((a - y) / b)": "the quotient is whole, up to rounding",
    **{_POOL + _MASKED.format(name, "window"): _AS_LONG for name in ("axes", "stride")},
    **{_POOL + _MASKED.format("window", name): _AS_LONG for name in ("axes", "stride")},
    _POWER + "g * (n * _power(np.where((y == 0) | (n == 0), np.inf, x) if 0 <= n < 1 else x, n - 1))": "a root is 0 "
    "exactly where its square is",
    "axes_of: if isinstance(axis, int):  ->  if False:": _SLOWER,
    "axes_of: if isinstance(axis, int):  ->  if isinstance(None, int):": _SLOWER,
    f"fold: {_MOVED.format('.copy()')}  ->  {_MOVED.format('')}": _SLOWER,
    f"kept_shape: return tuple({_KEPT})  ->  return {_KEPT}": "reshape takes a list, too",
    f"{_SMALL_POWER}if False:": _SLOWER,
    f"{_SMALL_POWER}if {_IS_PRODUCT.format('n')}:": _SLOWER,
    **{
        f"_power: {_FACTORED.format('> 0')}  ->  {_FACTORED.format(other)}": "neither 0 nor 1 is an exponent here"
        for other in (">= 0", "> 1")
    },
    f"{_DIFFERENCE}(x if hasattr(x, 'dtype') else -np.zeros_like(other) + x {_EITHER}": "0 and -0 add nothing",
    f"{_LOGSUMEXP}{_WEIGHTS}g, axis)": _SAME_TYPE,
    f"{_LOGSUMEXP}{_WEIGHTS}y, axis)": _SAME_TYPE,
    "cbrt by x: g / (3 * np.square(np.where(y == 0, np.inf, y)))  ->  "
    "g / (3 * np.square(np.where(x == 0, np.inf, y)))": "a root is 0 exactly where its cube is",
    "sqrt by x: g / (2 * np.where(y == 0, np.inf, y))  ->  g / (2 * np.where(x == 0, np.inf, y))": "a root is 0 "
    "exactly where its square is",
    f"{_EXTREME}share(x == restore_axes(y, x, axis), g, axis)": _SAME_TYPE,
    f"{_EXTREME}share(x == restore_axes(y, x, axis), y, axis)": _SAME_TYPE,
    "pad by x: g[inner(widths, g.shape)]  ->  g[inner(widths, y.shape)]": _SAME_SHAPE,
    "pad by x: g[inner(widths, g.shape)]  ->  g[inner(widths, np.ones_like(g).shape)]": _SAME_SHAPE,
    "relu by x: g * (y > 0)  ->  g * (x > 0)": "max(x, 0) is positive exactly where x is",
    f"{_UNUSED}unused = iter(set(_LABELS) - set(''.join([*terms, output])))": "any unused label will do; sorted, it is "
    "the same at every call",
    f"{_ALONE}elif True:": "a factor of ones changes nothing",
    f"{_ALONE}elif not all({_LONG}strict=True))):": "a factor of ones changes nothing",
    f"{_ALONE}elif not any({_LONG.replace('g,', 'np.ones_like(g),')}strict=True))):": "only its shape is read",
    f"{_ALONE}elif not any({_LONG}strict=False))):": "the two lists grow together",
    f"{_PATH.format(1)}  ->  {_PATH.format(0).partition(': ')[2]}": "the two are taken in the other order",
    f"{_TAKEN.format('-1')}  ->  {_TAKEN.format('1').partition(': ')[2]}": "the two are taken in the other order",
    f"{_GREEDY}[0][1:]  ->  {_GREEDY.partition(': ')[2].replace(_OPTIMIZE, '')}[0][1:]": "greedy is the default",
    **{f"contract: if len(xs) > 2:  ->  if {other}:": _SAME_PATH for other in ("True", "len(xs) >= 2", "len(xs) > 1")},
    f"{_SHAPES.format(0)}  ->  {_SHAPES.format(1).partition(': ')[2]}": "only the shapes are read",
    f"{_PAIRS.format(True, True)}  ->  {_PAIRS.format(False, True).partition(': ')[2]}": _PAIRED,
    f"{_PAIRS.format(True, True)}  ->  {_PAIRS.format(True, False).partition(': ')[2]}": _PAIRED,
    f"{_TWO.format('terms')}  ->  {_TWO.format('xs').partition(': ')[2]}": _PAIRED,
    f"{_OWN}own = on_device_of(x, np.eye(count(x, axis)))": "np.where takes 1. for true",
    f"_place: if any({_NAMES}):  ->  if True:": _ADDED_IS_RIGHT,
    f"_place: if any({_NAMES}):  ->  if {_NAMES}:": _ADDED_IS_RIGHT,
}
