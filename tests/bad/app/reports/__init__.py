"""Reports of a model."""

from reports.tables import table

__all__ = ["table"]
