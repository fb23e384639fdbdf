"""Opens the services once; whoever needs them meanwhile waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.services.bundle import Services


class Opening:
    """The services of the app, opened on the first `get` and closed by whoever made this.

    After a failure the next `get` tries again. `filled` is set once a question can be asked of a filled index, or once
    it is known that the index will not be filled.
    """

    def __init__(self, open_services: Callable[[], Awaitable[Services]]) -> None:
        self._open = open_services
        self._services: Services | None = None
        self._lock = asyncio.Lock()
        self.filled = asyncio.Event()

    @property
    def services(self) -> Services | None:
        """The services, None while they are not open."""
        return self._services

    async def get(self) -> Services:
        """Returns the services, opening them if need be. Raises what opening them raises."""
        async with self._lock:
            if self._services is None:
                self._services = await self._open()
            return self._services

    async def aclose(self) -> None:
        """Closes the services if they were opened; nothing may use them any more."""
        services, self._services = self._services, None
        if services is not None:
            await services.aclose()
