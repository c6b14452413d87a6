"""Names of enum values, as applications see them."""

from __future__ import annotations

from typing import Any


def name_of(enum: Any, value: int, prefix: str) -> str:
    """Return the name of a value without its prefix; its number as text when a newer server has made it up."""
    return str(enum.Name(value)).removeprefix(prefix) if value in enum.values() else str(int(value))
