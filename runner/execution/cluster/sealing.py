"""The texts that cross the broker: JSON, each behind the proof that who wrote it has the key.

A sealed text is 64 hexadecimal digits, HMAC-SHA256 (RFC 2104) over all the bytes that follow, and
then JSON. What workers are told and what they tell is sealed with keys of its own, both derived
from that of the cluster, so that nothing can be sent back as an answer to itself. What a message
is about is in it, and so sealed too: nothing around it counts.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from runner.errors import RunnerError, SetupError
from runner.execution.cluster import variables

KEY_FILE: Final = "cluster.key"
"""In the storage folder: the key where the environment names none."""

_SHORTEST: Final = 32
_DIGITS: Final = 64


class ForgedError(RunnerError):
    """A text was not sealed with our key, or is nothing that anybody of ours would have sealed."""


@attrs.frozen(repr=False)
class Seal:
    """Seals the texts that go one way, and opens them."""

    _key: bytes

    @classmethod
    def to_workers(cls, key: bytes) -> Seal:
        return cls(_derived(key, "runner: to workers"))

    @classmethod
    def from_workers(cls, key: bytes) -> Seal:
        return cls(_derived(key, "runner: from workers"))

    def close(self, body: Mapping[str, Any]) -> str:
        """Seal what JSON can hold."""
        text = json.dumps(body, separators=(",", ":"))
        return self._proof(text.encode()) + text

    def open(self, sealed: object) -> dict[str, Any]:
        """What was sealed.

        Raises:
            ForgedError: it was not, or not with our key.
        """
        if not isinstance(sealed, str) or not sealed.isascii():
            raise ForgedError("it is no text of ours")
        proof, text = sealed[:_DIGITS], sealed[_DIGITS:]
        if not hmac.compare_digest(proof, self._proof(text.encode())):
            raise ForgedError("it is sealed with another key, or was changed on the way")
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            raise ForgedError("it is no JSON") from None
        if not isinstance(body, dict):
            raise ForgedError("it is no JSON object")
        return body

    def _proof(self, text: bytes) -> str:
        return hmac.digest(self._key, text, "sha256").hex()


def key_of(environ: Mapping[str, str], storage_folder: Path) -> bytes:
    """The key of the cluster, of the environment or of a file.

    The environment has the key, or names its file; else it is in the storage folder, and made there
    where it is missing.

    Raises:
        SetupError: it cannot be read or made, is too short, or others may read it.
    """
    given = environ.get(variables.KEY)
    if given is not None:
        return _long_enough(given.strip().encode(), variables.KEY)
    named = environ.get(variables.KEY_FILE)
    path = storage_folder / KEY_FILE if named is None else Path(named)
    try:
        if named is None:
            _make(path)
        if os.name != "nt" and path.stat().st_mode & 0o077:
            message = f"others may read {path}, the key of the cluster"
            raise SetupError(message, hint=f"chmod 600 {path}")
        return _long_enough(path.read_bytes().strip(), str(path))
    except OSError as error:
        message = f"{path}, the key of the cluster, cannot be used: {error.strerror}"
        hint = f"{variables.KEY} or {variables.KEY_FILE} may give it"
        raise SetupError(message, hint=hint) from None


def _make(path: Path) -> None:
    """Make a key where there is none; of two who do, both have that of the first."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{os.urandom(_SHORTEST).hex()}\n")
        try:
            os.link(new, path)
        except FileExistsError:
            return
    finally:
        new.unlink()


def _long_enough(key: bytes, where: str) -> bytes:
    if len(key) < _SHORTEST:
        message = f"{where} has {len(key)} characters, and a key of the cluster {_SHORTEST} or more"
        raise SetupError(message, hint="python -c 'import secrets; print(secrets.token_hex(32))'")
    return key


def _derived(key: bytes, purpose: str) -> bytes:
    return hmac.digest(key, purpose.encode(), "sha256")
