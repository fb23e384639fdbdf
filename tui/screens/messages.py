"""What workers tell the chat screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from tui.core.errors import RagfoodError
    from tui.core.events import AskEvent, IngestEvent, TransferEvent
    from tui.widgets.transcript import TurnView

    IndexEvent = IngestEvent | TransferEvent


class AskHappened(Message):
    """Something happened to the question of `view`."""

    def __init__(self, view: TurnView, event: AskEvent) -> None:
        super().__init__()
        self.view = view
        self.event = event


class AskEnded(Message):
    """The question of `view` is over: answered, or with an `error`, or stopped."""

    def __init__(self, view: TurnView, *, error: RagfoodError | None = None) -> None:
        super().__init__()
        self.view = view
        self.error = error


class IndexBegan(Message):
    """Work on the index has begun; `text` says what goes on until there is a number to show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class IndexHappened(Message):
    """Work on the index, called `job`, came further."""

    def __init__(self, job: str, event: IndexEvent) -> None:
        super().__init__()
        self.job = job
        self.event = event


class IndexEnded(Message):
    """Work on the index is over, maybe with an `error`, or `stopped`."""

    def __init__(self, job: str, *, error: RagfoodError | None = None, stopped: bool = False) -> None:
        super().__init__()
        self.job = job
        self.error = error
        self.stopped = stopped
