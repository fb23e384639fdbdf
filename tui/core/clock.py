"""Time and ids as dependencies, so that screens and tests are repeatable."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time and fresh ids come from."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    def new_id(self) -> str:
        """A short id, unique within one installation: lower-case hexadecimal."""
        ...


class SystemClock:
    """The machine's own time and randomness."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    def new_id(self) -> str:
        """Twelve random hexadecimal digits."""
        return secrets.token_hex(6)
