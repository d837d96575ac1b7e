"""Order, ancestors and cycles of a directed graph.

A graph is a mapping from a node to the nodes it comes after. Every function

1. takes time and memory linear in nodes and edges, and never recurses;
2. keeps the order in which nodes were given where it is one in which they can come;
3. ignores edges to nodes that are not keys of the graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

N = TypeVar("N", bound=Hashable)


def successors(graph: Mapping[N, Iterable[N]]) -> dict[N, list[N]]:
    """The graph with its edges turned round; an edge named twice counts once."""
    turned: dict[N, list[N]] = {node: [] for node in graph}
    for node, before in graph.items():
        for other in dict.fromkeys(before):
            if other in turned:
                turned[other].append(node)
    return turned


def order(graph: Mapping[N, Iterable[N]]) -> list[N]:
    """The nodes, each after all that it comes after; those on or behind a cycle are left out.

    Kahn, "Topological sorting of large networks", 1962.
    """
    if _is_ordered(graph):
        return list(graph)
    after = successors(graph)
    missing = dict.fromkeys(graph, 0)
    for nodes in after.values():
        for node in nodes:
            missing[node] += 1
    ready = deque(node for node, count in missing.items() if count == 0)
    ordered: list[N] = []
    while ready:
        node = ready.popleft()
        ordered.append(node)
        for other in after[node]:
            missing[other] -= 1
            if missing[other] == 0:
                ready.append(other)
    return ordered


def cycles(graph: Mapping[N, Iterable[N]]) -> list[Sequence[N]]:
    """Cycles that together must be broken: one shortest cycle from each knot of the graph.

    A knot is a strongly connected component. Each cycle begins at its knot's first node and runs
    along the edges turned round: every node comes before the next, the last before the first.
    """
    if len(order(graph)) == len(graph):
        return []
    after = successors(graph)
    return [_shortest_cycle(first, knot, after) for first, knot in _knots(graph, after)]


def reachable(starts: Iterable[N], edges: Mapping[N, Iterable[N]]) -> set[N]:
    """The starts and all that can be reached from them along the edges."""
    seen = {node for node in starts if node in edges}
    waiting = list(seen)
    while waiting:
        for other in edges[waiting.pop()]:
            if other in edges and other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


def _is_ordered(graph: Mapping[N, Iterable[N]]) -> bool:
    seen: set[N] = set()
    for node, before in graph.items():
        for other in before:
            if other not in seen and other in graph:
                return False
        seen.add(node)
    return True


def _knots(
    graph: Mapping[N, Iterable[N]], after: Mapping[N, Sequence[N]]
) -> list[tuple[N, set[N]]]:
    """Strongly connected components that hold a cycle, each with its first node.

    By Kosaraju's two passes.
    """
    done = set(order(graph))
    left = [node for node in graph if node not in done]
    inside = set(left)
    before = {node: [other for other in graph[node] if other in inside] for node in left}
    knots: list[set[N]] = []
    placed: set[N] = set()
    for root in reversed(_finished(left, after)):
        if root in placed:
            continue
        knot = _collect(root, before, placed)
        if len(knot) > 1 or root in before[root]:
            knots.append(knot)
    position = {node: index for index, node in enumerate(left)}
    firsts = [(min(knot, key=position.__getitem__), knot) for knot in knots]
    return sorted(firsts, key=lambda found: position[found[0]])


def _finished(nodes: Sequence[N], edges: Mapping[N, Sequence[N]]) -> list[N]:
    """The nodes in the order in which a depth-first walk leaves them."""
    inside = set(nodes)
    seen: set[N] = set()
    left: list[N] = []
    for start in nodes:
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(edges[start]))]
        while stack:
            node, others = stack[-1]
            for other in others:
                if other in inside and other not in seen:
                    seen.add(other)
                    stack.append((other, iter(edges[other])))
                    break
            else:
                left.append(node)
                stack.pop()
    return left


def _collect(root: N, edges: Mapping[N, Sequence[N]], placed: set[N]) -> set[N]:
    knot = {root}
    placed.add(root)
    waiting = [root]
    while waiting:
        for other in edges[waiting.pop()]:
            if other not in placed:
                placed.add(other)
                knot.add(other)
                waiting.append(other)
    return knot


def _shortest_cycle(start: N, knot: set[N], after: Mapping[N, Sequence[N]]) -> Sequence[N]:
    came_from: dict[N, N] = {}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for other in after[node]:
            if other == start:
                path = [node]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if other in knot and other not in came_from:
                came_from[other] = node
                waiting.append(other)
    raise AssertionError("a knot holds a cycle through each of its nodes")
