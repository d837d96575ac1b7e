"""What a function that is already here, given to the Python builder, takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from runner.functions.signatures import Parameter, Signature

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def signature_of(function: Callable[..., Any]) -> Signature | None:
    """The signature of a callable; None where Python does not know it."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return None
    return Signature(
        positional=tuple(
            Parameter(name=each.name, has_default=each.default is not each.empty)
            for each in parameters
            if each.kind in _POSITIONAL
        ),
        var_positional=any(each.kind is each.VAR_POSITIONAL for each in parameters),
        keyword_only_required=tuple(
            each.name
            for each in parameters
            if each.kind is each.KEYWORD_ONLY and each.default is each.empty
        ),
    )
