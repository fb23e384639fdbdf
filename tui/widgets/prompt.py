"""Where questions are typed."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from tui.core.text import clean

PLACEHOLDER = "Ask about food…"
LONGEST_QUESTION = 20_000
"""Characters a question may have: far beyond any real one, far below what would slow the editor down."""


class QuestionHistory:
    """The questions of this run, newest last, with a cursor for recalling them."""

    def __init__(self) -> None:
        self._questions: list[str] = []
        self._position = 0
        self._draft = ""

    def add(self, question: str) -> None:
        """Remembers `question`, unless it repeats the newest, and forgets the draft."""
        if not self._questions or self._questions[-1] != question:
            self._questions.append(question)
        self._position = len(self._questions)
        self._draft = ""

    def older(self, current: str) -> str | None:
        """Returns the question before the one shown, keeping `current` as the draft; None at the oldest."""
        if self._position == 0:
            return None
        if self._position == len(self._questions):
            self._draft = current
        self._position -= 1
        return self._questions[self._position]

    def newer(self) -> str | None:
        """Returns the question after the one shown, the draft after the newest; None at the draft."""
        if self._position >= len(self._questions):
            return None
        self._position += 1
        return self._draft if self._position == len(self._questions) else self._questions[self._position]


class Prompt(TextArea):
    """A growing editor: Enter sends, Shift+Enter and Ctrl+J break the line, a paste never sends."""

    DEFAULT_CSS = """
    Prompt, Prompt:focus {
        height: auto;
        min-height: 1;
        max-height: 6;
        border: none;
        padding: 0;
        background: transparent;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send the question", show=False, id="prompt.send"),
        Binding("shift+enter,ctrl+j", "newline", "New line", show=False, id="prompt.newline"),
        Binding("up", "older", "Older question, at the first line", show=False, id="prompt.older"),
        Binding("down", "newer", "Newer question, at the last line", show=False, id="prompt.newer"),
        Binding("pageup", "screen.scroll_transcript(-1)", "Scroll the answers up", show=False, id="transcript.up"),
        Binding("pagedown", "screen.scroll_transcript(1)", "Scroll the answers down", show=False, id="transcript.down"),
    ]

    class Sent(Message):
        """Enter was pressed on a question that is not blank."""

        def __init__(self, question: str) -> None:
            super().__init__()
            self.question = question

    class Trimmed(Message):
        """A paste was cut to the longest question."""

        def __init__(self, limit: int) -> None:
            super().__init__()
            self.limit = limit

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id, compact=True, highlight_cursor_line=False, tab_behavior="focus", placeholder=PLACEHOLDER
        )
        self.questions = QuestionHistory()

    async def _on_key(self, event: events.Key) -> None:
        if event.is_printable:
            if len(self.text) >= LONGEST_QUESTION:
                event.prevent_default()
                event.stop()
                self.post_message(self.Trimmed(LONGEST_QUESTION))
            return
        # A binding runs only after its key has bubbled up to the app, and keys typed meanwhile would overtake it: what
        # follows an Enter would end up in the question. So our own are run here and now.
        bound = self.screen.active_bindings.get(event.key)
        if bound is not None and bound.node is self and (bound.binding.id or "").startswith("prompt."):
            event.prevent_default()
            event.stop()
            await self.run_action(bound.binding.action)

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        room = max(0, LONGEST_QUESTION - len(self.text) + len(self.selected_text))
        pasted = clean(event.text[: room + 1])
        if len(pasted) > room:
            pasted = pasted[:room]
            self.post_message(self.Trimmed(LONGEST_QUESTION))
        start, end = self.selection
        self.move_cursor(self.replace(pasted, start, end, maintain_selection_offset=False).end_location)

    def action_send(self) -> None:
        """Hands over what is written and empties the prompt, unless it is blank."""
        question = self.text.strip()
        if question:
            self.questions.add(question)
            self.load_text("")
            self.post_message(self.Sent(question))

    def give_back(self, question: str) -> None:
        """Puts a question back that could not be taken; behind what has been typed since, it waits in the history."""
        if not self.text:
            self.load_text(question)
            self.move_cursor(self.document.end)

    def action_newline(self) -> None:
        """Breaks the line at the cursor."""
        start, end = self.selection
        self.move_cursor(self.replace("\n", start, end, maintain_selection_offset=False).end_location)

    def action_older(self) -> None:
        """Moves up, or recalls the question before when the cursor is on the first line."""
        if not self.navigator.is_first_wrapped_line(self.cursor_location):
            self.action_cursor_up()
        else:
            self._recall(self.questions.older(self.text))

    def action_newer(self) -> None:
        """Moves down, or recalls the question after when the cursor is on the last line."""
        if not self.navigator.is_last_wrapped_line(self.cursor_location):
            self.action_cursor_down()
        else:
            self._recall(self.questions.newer())

    def _recall(self, question: str | None) -> None:
        if question is not None:
            self.load_text(question)
            self.move_cursor(self.document.end)
