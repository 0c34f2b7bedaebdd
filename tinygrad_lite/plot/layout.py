"""The layout of a diagram: positions of its boxes and paths of its wires, in layers, after K. Sugiyama et al., 1981.

Each box gets a layer, the order in each layer is chosen so that few wires cross, and boxes are moved level with their
neighbours. Contents of the boxes do not matter here. Lengths are in inches, *along* the flow or *across* it.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import ceil, inf

GAP = 0.17  # between neighbours in a layer
WAY = 0.42  # between layers: room for the wires to bend
ARRIVAL = 0.1  # the last part of a wire is straight, for the arrow
SLOT = 0.17  # between the ends of wires at a box, if it is large enough
LANE = 0.1  # between the wires that go from one strip to the next
SWEEPS = 16
FIRM = 1000  # the weight of a box whose wire should be straight; others have the weight 1

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """The layout; positions are pairs (along, across).

    Attributes
    ----------
    extent : pair
        The size of the diagram.
    centres : list of pairs
        The centre of each box.
    wires : list of lists of pairs
        For each edge a chain of cubic Bézier curves: the start, then two control points and an end for each curve.
    """

    extent: Point
    centres: list[Point]
    wires: list[list[Point]]


def arrange(sizes: Sequence[Point], edges: Sequence[tuple[int, int]], room: Point = (inf, inf)) -> Layout:
    """Lay out boxes; the last one depends, directly or not, on all others.

    Parameters
    ----------
    sizes : sequence of pairs
        The size of each box, along and across.
    edges : sequence of pairs of int
        The indices of two boxes, from and to, ordered by the latter. A box has a higher index than those it depends on.
    room : pair
        The room available. A longer diagram is broken into strips side by side, as many as fit; it may remain too long.
    """
    chart = _Chart(sizes, edges)
    layers = chart.ordered()
    across = chart.levelled(layers)
    best = _Strips(chart, layers, across, 1)
    for count in range(2, len(layers) + 1):
        if best.extent[0] <= room[0]:
            break
        narrower = _Strips(chart, layers, across, count)
        if narrower.extent[1] > room[1]:
            break
        best = narrower
    return Layout(best.extent, best.centres[: len(sizes)], [best.wire(route) for route in chart.routes])


@dataclass(frozen=True)
class _Link:
    """The part of a wire between one layer and the next."""

    source: int
    target: int
    slot: float  # where it arrives: the distance across from the target's centre
    stiff: bool


class _Chart:
    """The boxes, and after them an empty place for each layer that a wire passes on its way.

    The places are laid out like boxes, so no wire crosses a box. Wires from one box share their places.
    """

    def __init__(self, sizes: Sequence[Point], edges: Sequence[tuple[int, int]]) -> None:
        self.sizes = list(sizes)
        self.layer_of = _layers(len(sizes), edges)
        self.routes: list[list[_Link]] = []  # for each edge
        self.into: dict[int, list[_Link]] = defaultdict(list)
        self.out_of: dict[int, list[_Link]] = defaultdict(list)
        passing: dict[tuple[int, int], _Link] = {}
        for (source, target), slot in zip(edges, _slots(sizes, edges), strict=True):
            route: list[_Link] = []
            at = source
            for layer in range(self.layer_of[source] + 1, self.layer_of[target]):
                if (source, layer) not in passing:
                    passing[source, layer] = self._link(at, len(self.sizes), 0, bool(route))
                    self.sizes.append((0, 0))
                    self.layer_of.append(layer)
                route.append(passing[source, layer])
                at = route[-1].target
            route.append(self._link(at, target, slot, not self.into[target]))
            self.routes.append(route)

    def _link(self, source: int, target: int, slot: float, stiff: bool) -> _Link:
        link = _Link(source, target, slot, stiff)
        self.into[target].append(link)
        self.out_of[source].append(link)
        return link

    def ordered(self) -> list[list[int]]:
        """Return the boxes and places in each layer, in an order in which few wires cross."""
        layers = self._as_met()
        fewest, best = self._crossings(layers), [list(layer) for layer in layers]
        for sweep in range(SWEEPS):
            forward = sweep % 2 == 0
            for fixed, free in pairwise(layers if forward else layers[::-1]):
                self._sort(free, fixed, forward)
            crossings = self._crossings(layers)
            if crossings < fewest:
                fewest, best = crossings, [list(layer) for layer in layers]
        return best

    def _as_met(self) -> list[list[int]]:
        """Return the boxes and places in each layer, in the order of a depth-first search back from the last box."""
        layers: list[list[int]] = [[] for _ in range(max(self.layer_of) + 1)]
        stack, met = [self.routes[-1][-1].target], set()
        while stack:
            v = stack.pop()
            if v not in met:
                met.add(v)
                layers[self.layer_of[v]].append(v)
                stack += [link.source for link in reversed(self.into[v])]
        return layers

    def _sort(self, free: list[int], fixed: Sequence[int], forward: bool) -> None:
        """Sort a layer by the mean position of the neighbours in `fixed`; without neighbours the position stays."""
        at = {v: float(i) for i, v in enumerate(fixed)}
        mean = {v: float(i) for i, v in enumerate(free)}
        for v in free:
            if forward:
                neighbours = [at[link.source] for link in self.into[v]]
            else:
                # Add the slot, a small number, to keep the operands of one box in order.
                neighbours = [at[link.target] + link.slot / 10 for link in self.out_of[v]]
            if neighbours:
                mean[v] = sum(neighbours) / len(neighbours)
        free.sort(key=mean.__getitem__)

    def _crossings(self, layers: Sequence[Sequence[int]]) -> int:
        """Count the pairs of links that cross."""
        at = {v: i for layer in layers for i, v in enumerate(layer)}
        count = 0
        for layer in layers:
            ends: list[tuple[int, float]] = []  # of the links from what comes earlier in the layer
            for v in layer:
                new = [(at[link.target], link.slot) for link in self.out_of[v]]
                count += sum(len(ends) - bisect_right(ends, end) for end in new)
                for end in new:
                    insort(ends, end)
        return count

    def levelled(self, layers: Sequence[Sequence[int]]) -> list[float]:
        """Return the position of everything across the flow: level with its neighbours where there is room."""
        across = [0.0] * len(self.sizes)
        for sweep in range(SWEEPS):
            forward = sweep % 2 == 1
            for layer in layers if forward else layers[::-1]:
                wanted, weights = [], []
                for v in layer:
                    before = [(across[link.source] - link.slot, link.stiff) for link in self.into[v]]
                    after = [(across[link.target] + link.slot, link.stiff) for link in self.out_of[v]]
                    stiff = [end for end, stiff in (before if forward else after) if stiff]
                    ends = stiff or [end for end, _ in before + after]
                    wanted.append(sum(ends) / len(ends))
                    weights.append(FIRM if stiff else 1)
                found = _apart(wanted, weights, [self.sizes[v][1] for v in layer])
                for v, position in zip(layer, found, strict=True):
                    across[v] = position
        return across


def _layers(boxes: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the layer of each box: leaves just before their first use, results right after their last operand.

    A result moves closer to its first use if that makes wires shorter in total, as when its operand is also used there.
    """
    layer_of = [0] * boxes
    uses: dict[int, set[int]] = defaultdict(set)
    operands: dict[int, set[int]] = defaultdict(set)
    for source, target in edges:
        layer_of[target] = max(layer_of[target], layer_of[source] + 1)
        uses[source].add(target)
        operands[target].add(source)
    for v in reversed(range(boxes - 1)):
        latest = min(layer_of[use] for use in uses[v]) - 1
        longer = sum(max(0, latest - max(layer_of[use] for use in uses[x])) for x in operands[v])
        if longer < latest - layer_of[v] or not operands[v]:
            layer_of[v] = latest
    return layer_of


def _slots(sizes: Sequence[Point], edges: Iterable[tuple[int, int]]) -> list[float]:
    """Return where each edge arrives, as a distance from the centre of its target: side by side, in order."""
    arriving: dict[int, list[int]] = defaultdict(list)
    for i, (_, target) in enumerate(edges):
        arriving[target].append(i)
    slots: dict[int, float] = {}
    for target, several in arriving.items():
        apart = min(SLOT, sizes[target][1] / 2 / len(several))
        slots |= {i: k * apart for k, i in enumerate(several)}
    return [slots[i] for i in sorted(slots)]


def _apart(wanted: Sequence[float], weights: Sequence[float], lengths: Sequence[float]) -> list[float]:
    """Return the positions nearest to the wanted ones, by least squares, that keep boxes in order and apart.

    Once the room that earlier boxes take is subtracted, positions only have to be non-decreasing. So this is an
    isotonic regression: neighbours that would overlap are pooled.
    """
    taken = list(accumulate(((a + b) / 2 + GAP for a, b in pairwise(lengths)), initial=0.0))
    pools: list[tuple[float, float, int]] = []
    for want, weight, before in zip(wanted, weights, taken, strict=True):
        pool = (want - before, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            (a, m, i), (b, n, j) = pools.pop(), pool
            pool = ((a * m + b * n) / (m + n), m + n, i + j)
        pools.append(pool)
    starts = [start for start, _, count in pools for _ in range(count)]
    return [start + before for start, before in zip(starts, taken, strict=True)]


class _Strips:
    """A chart broken into strips side by side, like a text in columns."""

    def __init__(self, chart: _Chart, layers: Sequence[Sequence[int]], across: Sequence[float], count: int) -> None:
        self.sizes = chart.sizes
        self.across = list(across)
        self.starts, self.stops = [0.0] * len(across), [0.0] * len(across)
        # For each link to the next strip: the lane in which it returns, and how far it reaches out to turn.
        self.turns: dict[_Link, Point] = {}
        length = width = 0.0
        each = ceil(len(layers) / count)
        for strip in (layers[i : i + each] for i in range(0, len(layers), each)):
            inside = [v for layer in strip for v in layer]
            shift = width - min(across[v] - self.sizes[v][1] / 2 for v in inside)
            width = shift + max(across[v] + self.sizes[v][1] / 2 for v in inside)
            start = 0.0
            for layer in strip:
                stop = start + max(self.sizes[v][0] for v in layer)
                for v in layer:
                    self.across[v] += shift
                    self.starts[v], self.stops[v] = start, stop
                length, start = max(length, stop), stop + WAY
            if strip[-1] is not layers[-1]:
                links = [link for v in reversed(strip[-1]) for link in chart.out_of[v]]
                for i, link in enumerate(links):
                    self.turns[link] = (width + GAP + i * LANE, WAY + i * LANE)
                width += 2 * GAP + (len(links) - 1) * LANE
        # A Bézier curve reaches three quarters of the way to its two control points.
        outside = max((ARRIVAL + 0.75 * reach for _, reach in self.turns.values()), default=0.0)
        self.starts = [start + outside for start in self.starts]
        self.stops = [stop + outside for stop in self.stops]
        self.extent = (length + 2 * outside, width)
        middles = [(start + stop) / 2 for start, stop in zip(self.starts, self.stops, strict=True)]
        self.centres = list(zip(middles, self.across, strict=True))

    def wire(self, route: Sequence[_Link]) -> list[Point]:
        """Return a wire as a chain of curves."""
        along, across = self.centres[route[0].source]
        wire = [(along + self.sizes[route[0].source][0] / 2, across)]
        for link in route:
            stop, start = self.stops[link.source], self.starts[link.target] - ARRIVAL
            across = self.across[link.target] + link.slot
            _extend(wire, (stop, self.across[link.source]))
            if link in self.turns:
                lane, reach = self.turns[link]
                _extend(wire, (stop, lane), reach)
                _extend(wire, (start, lane))
                _extend(wire, (start, across), -reach)
            else:
                _extend(wire, (start, across))
            _extend(wire, (self.centres[link.target][0] - self.sizes[link.target][0] / 2, across))
        return wire


def _extend(wire: list[Point], end: Point, reach: float | None = None) -> None:
    """Add a curve to a wire that leaves and arrives along the flow; with `reach` it goes out so far and turns back."""
    (start, before), (stop, after) = wire[-1], end
    out, back = (start + reach, stop + reach) if reach is not None else ((start + stop) / 2,) * 2
    wire += [(out, before), (back, after), end]
