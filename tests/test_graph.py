"""The promises are those that the docstring of `runner.graph` numbers."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.graph import cycles, order, reachable, successors

LONG = 100_000
Graph = Mapping[int, Sequence[int]]

# The last nodes are never keys of a graph: edges to them lead nowhere.
graphs = st.dictionaries(st.integers(0, 8), st.lists(st.integers(0, 10), max_size=4), max_size=9)


@st.composite
def acyclic(draw: st.DrawFn) -> dict[int, list[int]]:
    """A graph in which each node comes after smaller ones only, its keys in any order."""
    nodes = draw(st.permutations(range(draw(st.integers(0, 9)))))
    return {
        node: draw(st.lists(st.integers(0, node - 1), max_size=4)) if node else [] for node in nodes
    }


def inside(graph: Graph) -> dict[int, set[int]]:
    return {node: {other for other in before if other in graph} for node, before in graph.items()}


def reached(graph: Graph) -> dict[int, set[int]]:
    """By brute force: what each node leads to by one edge or more."""
    found = inside(graph)
    for _ in graph:
        found = {
            node: others.union(*(found[other] for other in others))
            for node, others in found.items()
        }
    return found


def knots(graph: Graph) -> list[set[int]]:
    leads_to = reached(graph)
    found: list[set[int]] = []
    for node in graph:
        if node in leads_to[node] and not any(node in knot for knot in found):
            found.append({other for other in leads_to[node] if node in leads_to[other]})
    return found


def edges(cycle: Sequence[int]) -> Iterator[tuple[int, int]]:
    return pairwise([*cycle, cycle[0]])


def test_an_order_has_each_node_after_all_that_it_comes_after() -> None:
    assert order({"c": ["b"], "b": ["a"], "a": []}) == ["a", "b", "c"]


@given(graph=acyclic())
def test_an_order_is_topological(graph: Graph) -> None:
    place = {node: index for index, node in enumerate(order(graph))}
    assert set(place) == set(graph)
    assert all(place[other] < place[node] for node in graph for other in graph[node])


@given(graph=graphs)
def test_an_order_leaves_out_what_is_on_or_behind_a_cycle(graph: Graph) -> None:
    leads_to = reached(graph)
    stuck = {node for node in graph if node in leads_to[node]}
    left_out = {node for node in graph if node in stuck or leads_to[node] & stuck}
    assert sorted(order(graph)) == sorted(set(graph) - left_out)


@given(graph=graphs)
def test_graphlib_agrees_on_whether_there_is_a_cycle(graph: Graph) -> None:
    try:
        graphlib.TopologicalSorter(inside(graph)).prepare()
        is_acyclic = True
    except graphlib.CycleError:
        is_acyclic = False
    assert (not cycles(graph)) == is_acyclic == (len(order(graph)) == len(graph))


@given(graph=graphs)
def test_there_is_one_cycle_of_each_knot(graph: Graph) -> None:
    expected = knots(graph)
    found = cycles(graph)
    assert [cycle[0] for cycle in found] == [
        next(node for node in graph if node in knot) for knot in expected
    ]
    assert all(set(cycle) <= knot for cycle, knot in zip(found, expected, strict=True))


@given(graph=graphs)
def test_every_node_of_a_cycle_comes_before_the_next(graph: Graph) -> None:
    for cycle in cycles(graph):
        assert len(set(cycle)) == len(cycle)
        assert all(before in graph[node] for before, node in edges(cycle))


def lengths(graph: Graph, start: int) -> int:
    """By brute force: how long the shortest cycle through a node is."""
    after = inside(graph)
    length, front = 1, after[start]
    while start not in front:
        length, front = length + 1, set().union(*(after[node] for node in front))
    return length


@given(graph=graphs)
def test_no_cycle_through_its_first_node_is_shorter(graph: Graph) -> None:
    for cycle in cycles(graph):
        assert len(cycle) == lengths(graph, cycle[0])


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        pytest.param({}, [], id="empty"),
        pytest.param({"a": ["a"]}, [["a"]], id="self"),
        pytest.param({"a": ["b"], "b": ["a"]}, [["a", "b"]], id="two"),
        pytest.param({"a": ["b"], "b": ["a", "b"]}, [["a", "b"]], id="a-self-edge-inside"),
        pytest.param(
            {"a": ["c", "b"], "b": ["a"], "c": ["b"]}, [["a", "b"]], id="the-shorter-of-two"
        ),
        pytest.param(
            {"d": ["c"], "c": ["d"], "b": ["a"], "a": ["b"]},
            [["d", "c"], ["b", "a"]],
            id="knots-in-the-order-given",
        ),
        pytest.param({"a": ["b"], "b": ["b"], "c": ["b"]}, [["b"]], id="what-leads-to-it-is-not"),
    ],
)
def test_cycles(graph: Mapping[str, Sequence[str]], found: list[Sequence[str]]) -> None:
    assert cycles(graph) == found


@given(starts=st.lists(st.integers(0, 10)), graph=graphs)
def test_reachable_is_what_brute_force_reaches(starts: Sequence[int], graph: Graph) -> None:
    leads_to = reached(graph)
    known = {node for node in starts if node in graph}
    assert reachable(starts, graph) == known.union(*(leads_to[node] for node in known))


@given(graph=graphs)
def test_successors_turn_every_edge_round_once(graph: Graph) -> None:
    turned = successors(graph)
    assert list(turned) == list(graph)
    found = [(node, other) for other, nodes in turned.items() for node in nodes]
    assert sorted(found) == sorted(
        (node, other) for node, before in inside(graph).items() for other in before
    )


@pytest.mark.parametrize(
    ("graph", "count"),
    [
        pytest.param({n: [n - 1] for n in range(LONG)}, 0, id="chain"),
        pytest.param({n: [n + 1] for n in range(LONG)}, 0, id="chain-backwards"),
        pytest.param({n: [(n + 1) % LONG] for n in range(LONG)}, 1, id="one-long-cycle"),
        pytest.param({n: [n ^ 1] for n in range(LONG)}, LONG // 2, id="many-short-cycles"),
        pytest.param({n: [0] for n in range(LONG)}, 1, id="star"),
    ],
)
def test_promise_1_large_graphs_take_neither_recursion_nor_squares(
    graph: Graph, count: int
) -> None:
    assert len(cycles(graph)) == count
    assert len(reachable([LONG - 1], graph)) >= 1
    assert len(order(graph)) == (LONG if count == 0 else 0)


def test_promise_1_a_long_cycle_is_whole() -> None:
    (cycle,) = cycles({n: [(n + 1) % LONG] for n in range(LONG)})
    assert cycle == [0, *range(LONG - 1, 0, -1)]


@given(graph=acyclic())
def test_promise_2_an_order_that_can_come_is_kept(graph: Graph) -> None:
    ordered = {node: graph[node] for node in order(graph)}
    assert order(ordered) == list(ordered)


def test_promise_2_free_nodes_keep_their_order() -> None:
    assert order({"b": [], "last": ["b", "a"], "a": [], "c": []}) == ["b", "a", "c", "last"]


@given(graph=graphs)
def test_promise_3_edges_to_what_is_no_node_change_nothing(graph: Graph) -> None:
    known = {node: [other for other in before if other in graph] for node, before in graph.items()}
    assert order(graph) == order(known)
    assert cycles(graph) == cycles(known)
    assert successors(graph) == successors(known)
    assert reachable([*graph, 99], graph) == set(graph)
