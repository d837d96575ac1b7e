"""The command line; imported by nothing else."""

from __future__ import annotations

from runner.cli.app import main

__all__ = ["main"]
