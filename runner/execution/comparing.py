"""Call comparators with the values that data nodes have in several scenarios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import CoroutineType
from typing import Any

import attrs

from runner.config.references import FunctionRef
from runner.errors import JobError
from runner.execution.failures import Failure, failure_of, masked
from runner.execution.importing import UserCodeError, load
from runner.execution.instance import Instance
from runner.execution.worker import awaited
from runner.masks import NO_MASK, Mask


@attrs.frozen(kw_only=True)
class Comparison:
    """What a comparator says.

    Attributes:
        data_node: the id of the data node.
        comparator: the function's name.
        result: what it returned.
        failure: why there is no result; None: there is one.
    """

    data_node: str
    comparator: str
    result: Any = None
    failure: Failure | None = None


def compare(
    comparators: Mapping[str, Sequence[FunctionRef]],
    instances: Sequence[Instance],
    mask: Mask = NO_MASK,
) -> Iterator[Comparison]:
    """Call each comparator; where one cannot be called, or raises, the others are.

    Args:
        comparators: by data node.
        instances: the scenarios, in the order of the arguments.
        mask: takes secrets out of failures.
    """
    for node_id, functions in comparators.items():
        for function in functions:
            comparison = Comparison(data_node=node_id, comparator=str(function))
            try:
                result = _called(function, node_id, instances)
            except UserCodeError as error:
                failure = attrs.evolve(error.failure, message=f"{error}", type="")
                yield attrs.evolve(comparison, failure=masked(failure, mask))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's function raises anything
                yield attrs.evolve(comparison, failure=masked(failure_of(error), mask))
            else:
                yield attrs.evolve(comparison, result=result)


def _called(function: FunctionRef, node_id: str, instances: Sequence[Instance]) -> Any:
    """What a comparator returns; each has values of its own, which it may change."""
    comparator = load(function)
    result = comparator(*[_value(node_id, instance) for instance in instances])
    return awaited(result) if type(result) is CoroutineType else result


def _value(node_id: str, instance: Instance) -> Any:
    try:
        return instance.storages[node_id].read()
    except JobError as error:
        message = f"{instance.name}: {error}"
        raise JobError(message, code=error.code, hint=error.hint) from error.__cause__
