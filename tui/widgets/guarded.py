"""Keeps a bug in one handler from taking the whole app down with it."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.message_pump import MessagePump


class Unexpected(Message):
    """A handler raised what nobody foresaw; the app logs it and shows it without a traceback."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class Guarded(MessagePump):
    """A widget or screen whose message loop survives an exception in one of its handlers.

    Textual ends the app on any such exception. What fails while the widget is being built still does: half a screen is
    worse than none.
    """

    async def _dispatch_message(self, message: Message) -> None:
        if isinstance(message, events.Compose | events.Mount):
            await super()._dispatch_message(message)
            return
        try:
            await super()._dispatch_message(message)
        except Exception as error:  # noqa: BLE001 - nothing is swallowed: the app logs it and shows it
            self.post_message(Unexpected(error))
