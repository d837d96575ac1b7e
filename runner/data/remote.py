"""What storages on servers share: the library that may be missing, and texts without secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, quote_plus

from runner.config.options import StorageOptions
from runner.config.values import is_secret_key
from runner.errors import JobError

_SHORTEST: Final = 4  # of what is masked: anything shorter is part of ordinary words


def missing(node: str, library: str, extra: str, error: ImportError) -> JobError:
    """RUN402, with the command that installs it."""
    message = f"data node `{node}` needs {library}: {error}"
    return JobError(message, code="RUN402", hint=f"install it: pip install 'toml-runner[{extra}]'")


@contextmanager
def refusals(
    node: str, library: str, extra: str, failed: Callable[[Exception], JobError]
) -> Iterator[None]:
    """Turn whatever a library raises in the block into a JobError.

    Without its cause, since a full traceback would show that one's text, which may hold secrets.

    Args:
        node: the data node.
        library: what is needed.
        extra: installs it.
        failed: makes the error of what the library, or one of its own, has raised.
    """
    try:
        yield
    except JobError:
        raise
    except ImportError as error:
        raise missing(node, library, extra, error) from None
    except Exception as error:  # noqa: BLE001 - a library lets through what its own raise
        raise failed(error) from None


def secrets_of(options: StorageOptions) -> frozenset[str]:
    """What no text may show: whatever stands under a key that is named like a secret."""
    return frozenset(_secrets(vars(options), under_secret=False))


def masked(text: str, secrets: Iterable[str]) -> str:
    """A library's text, with stars for secrets, in whichever way the library wrote them."""
    forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def without_login(address: str) -> str:
    """A host or URL without the user and password that may stand before the host."""
    scheme, separator, rest = address.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def said(error: BaseException) -> str:
    """The type and the first line of what the user's own code raised."""
    try:
        text = str(error).partition("\n")[0]
    except Exception:  # noqa: BLE001 - the user's __str__ raises anything
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _secrets(values: Mapping[str, Any], *, under_secret: bool) -> Iterator[str]:
    for key, value in values.items():
        is_secret = under_secret or is_secret_key(key) or key.lower().endswith("customerkey")
        if isinstance(value, Mapping):
            yield from _secrets(value, under_secret=is_secret)
        elif is_secret and isinstance(value, str):
            yield value


def _forms(secret: str) -> Iterator[str]:
    for text in (secret, secret.strip()):
        yield from (text, repr(text)[1:-1], quote(text), quote(text, safe=""), quote_plus(text))
