"""The layout of a diagram: positions of its boxes and paths of its wires, in layers, after K. Sugiyama et al., 1981.

Each box gets a layer, the order in each layer is chosen so that few wires cross, and boxes are moved level with their
neighbours. Contents of the boxes do not matter here. Lengths are in inches, *along* the flow or *across* it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from math import inf
from operator import itemgetter
from statistics import fmean
from typing import NamedTuple

import numpy as np

GAP = 0.17  # between neighbours in a layer
WAY = 0.42  # between layers: room for the wires to bend
ARRIVAL = 0.1  # the last part of a wire is straight, for the arrow
SLOT = 0.17  # between the ends of wires at a box, if it is large enough
LANE = 0.1  # between the wires that go from one column to the next
TURN = 0.25  # the least way of these wires beyond the columns
SWEEPS = 16
FIRM = 1000  # the weight of a box whose wire should be straight; others have the weight 1

Point = tuple[float, float]
Vertex = tuple[int, int]  # a box and a layer: where the box is, or where the wire from it passes a later layer
Turn = tuple[float, float, float]  # a lane between two columns, and how far a wire goes beyond either to turn


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
        The room available. A longer diagram is broken into columns side by side, like a text; if they do not fit
        across, they are fewer and longer.
    """
    chart = _Chart(sizes, edges)
    across = min(chart.sweeps(), key=chart.disorder)
    longest = [max(chart.sizes[vertex][0] for vertex in layer) for layer in chart.layers]
    *starts, length = accumulate((long + WAY for long in longest), initial=0.0)
    low, high = chart.bounds(across, chart.sizes)
    count = max(1, int(min(length / room[0] + 1, room[1] / (high - low + 2 * GAP))))
    columns = [list(layers) for _, layers in groupby(range(len(starts)), lambda i: starts[i] * count // length)]
    turns = chart.set_side_by_side(columns, across)
    outside = max((ARRIVAL + after for _, after, _ in turns.values()), default=0.0)
    starts = [outside + starts[layer] - starts[layers[0]] for layers in columns for layer in layers]
    stops = [start + length for start, length in zip(starts, longest, strict=True)]
    centres = {vertex: ((starts[vertex[1]] + stops[vertex[1]]) / 2, across[vertex]) for vertex in across}
    wires = []
    for route in chart.routes:
        box = route[0].source
        wire = [(centres[box][0] + chart.sizes[box][0] / 2, across[box])]
        for link in route:
            stop, start = stops[link.source[1]], starts[link.target[1]] - ARRIVAL
            arrival = across[link.target] + link.slot
            _extend(wire, (stop, across[link.source]))
            if link in turns:
                lane, after, before = turns[link]
                _turn(wire, stop + after, (stop, lane))
                _extend(wire, (start, lane))
                _turn(wire, start - before, (start, arrival))
            else:
                _extend(wire, (start, arrival))
            _extend(wire, (centres[link.target][0] - chart.sizes[link.target][0] / 2, arrival))
        wires.append(wire)
    _, breadth = chart.bounds(across, chart.sizes)
    return Layout((max(stops) + outside, breadth), [centres[box] for box in chart.boxes], wires)


def _extend(wire: list[Point], end: Point) -> None:
    """Add a curve to a wire that leaves and arrives along the flow."""
    (start, before), (stop, after) = wire[-1], end
    middle = (start + stop) / 2
    wire += [(middle, before), (middle, after), end]


def _turn(wire: list[Point], level: float, end: Point) -> None:
    """Add two curves to a wire, out to a level and back from it; they are close to right angles, so that turns nest."""
    before, after = wire[-1][1], end[1]
    wire += [(level, before), (level, before), (level, (before + after) / 2)]
    wire += [(level, after), (level, after), end]


class _Link(NamedTuple):
    """The part of a wire between one layer and the next."""

    source: Vertex
    target: Vertex
    slot: float  # where it arrives: the distance across from the target's centre
    firm: bool  # it should be straight


class _Chart:
    """The boxes, and a dummy vertex for each layer that wires from a box pass on their way.

    Dummy vertices are laid out like boxes, so no wire crosses a box. Wires from one box share them.
    """

    def __init__(self, sizes: Sequence[Point], edges: Sequence[tuple[int, int]]) -> None:
        depth = [0] * len(sizes)  # the layer, counted from the last: each value is computed just before its first use
        for source, target in reversed(edges):
            depth[source] = max(depth[source], depth[target] + 1)
        self.boxes: list[Vertex] = [(i, max(depth) - d) for i, d in enumerate(depth)]
        self.routes: list[list[_Link]] = []  # for each edge
        for target, arriving in groupby(edges, itemgetter(1)):
            sources = [source for source, _ in arriving]
            apart = min(SLOT, sizes[target][1] / 2 / len(sources))
            for k, source in enumerate(sources):
                passed = [(source, layer) for layer in range(self.boxes[source][1], self.boxes[target][1])]
                route = [_Link(a, b, 0, a != self.boxes[source]) for a, b in pairwise(passed)]
                self.routes.append([*route, _Link(passed[-1], self.boxes[target], k * apart, k == 0)])
        self.into: dict[Vertex, list[_Link]] = defaultdict(list)
        self.out_of: dict[Vertex, list[_Link]] = defaultdict(list)
        for link in dict.fromkeys(link for route in self.routes for link in route):
            self.into[link.target].append(link)
            self.out_of[link.source].append(link)
        # Sweeps start from the order in which a walk from the last box to its operands visits the boxes.
        backward = sorted(self.routes, key=lambda route: -route[-1].target[0])
        vertices = dict.fromkeys(v for route in backward for link in route for v in (link.source, link.target))
        self.sizes = {v: sizes[v[0]] if v == self.boxes[v[0]] else (0.0, 0.0) for v in vertices}
        self.layers = [[v for v in vertices if v[1] == layer] for layer in range(max(depth) + 1)]

    def sweeps(self) -> Iterator[dict[Vertex, float]]:
        """Yield positions across the flow, each found from the last by a sweep over the layers, forward or backward.

        In each layer, vertices are ordered by the mean of their neighbours in the layer before, seen in the sweep's
        direction, and moved level with it, or with the neighbours to which they are firmly linked.
        """
        across = dict.fromkeys(self.sizes, 0.0)
        for sweep in range(SWEEPS):
            forward = sweep % 2 == 0
            for layer in self.layers if forward else reversed(self.layers):
                rows = []
                for vertex in layer:
                    if forward:
                        ends = [(across[link.source] - link.slot, link.firm) for link in self.into[vertex]]
                    else:
                        ends = [(across[link.target] + link.slot, link.firm) for link in self.out_of[vertex]]
                    level = fmean(end for end, _ in ends) if ends else across[vertex]
                    firm = [end for end, is_firm in ends if is_firm]
                    rows.append((level, fmean(firm) if firm else level, FIRM if firm else 1, vertex))
                _, wanted, weights, layer[:] = zip(*sorted(rows, key=itemgetter(0)), strict=True)
                positions = _apart(wanted, weights, [self.sizes[vertex][1] for vertex in layer])
                across.update(zip(layer, positions, strict=True))
            yield across.copy()

    def set_side_by_side(self, columns: Sequence[Sequence[int]], across: dict[Vertex, float]) -> dict[_Link, Turn]:
        """Move columns of layers apart, and return the turns of the links between them.

        Each wire that turns encloses the next, so wires do not cross there.
        """
        turns = {}
        begin = 0.0
        for layers in columns:
            vertices = [vertex for layer in layers for vertex in self.layers[layer]]
            low, high = self.bounds(across, vertices)
            across.update({vertex: begin + across[vertex] - low for vertex in vertices})
            lane = begin + high - low + GAP
            links = [link for vertex in self.layers[layers[-1]] for link in self.out_of[vertex]]
            links.sort(key=lambda link: (across[link.source], across[link.target]), reverse=True)
            for i, link in enumerate(links):
                turns[link] = (lane + i * LANE, TURN + i * LANE, TURN + (len(links) - 1 - i) * LANE)
            begin = lane + (len(links) - 1) * LANE + GAP
        return turns

    def bounds(self, across: dict[Vertex, float], vertices: Collection[Vertex]) -> Point:
        """Return the lowest and the highest position that some vertices cover."""
        lows = [across[vertex] - self.sizes[vertex][1] / 2 for vertex in vertices]
        highs = [across[vertex] + self.sizes[vertex][1] / 2 for vertex in vertices]
        return min(lows), max(highs)

    def disorder(self, across: dict[Vertex, float]) -> tuple[int, float]:
        """Return how many pairs of links cross, and how far all of them deviate from straight lines."""
        crossings, deviation = 0, 0.0
        for layer in self.layers:
            links = [link for vertex in layer for link in self.out_of[vertex]]
            starts = np.array([across[link.source] for link in links])
            ends = np.array([across[link.target] + link.slot for link in links])
            crossings += int(np.sum((starts[:, None] < starts) & (ends[:, None] > ends)))
            deviation += float(np.abs(starts - ends).sum())
        return crossings, deviation


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
