"""The command palette: every action, in the order in which the app lists them."""

from __future__ import annotations

from textual.command import DiscoveryHit, Hits
from textual.system_commands import SystemCommandsProvider


class Commands(SystemCommandsProvider):
    """The commands of the app. Textual would sort them by name."""

    async def discover(self) -> Hits:
        """Yields all commands, in the order of the app."""
        for title, help_text, callback, shown in self.app.get_system_commands(self.screen):
            if shown:
                yield DiscoveryHit(title, callback, help=help_text)
