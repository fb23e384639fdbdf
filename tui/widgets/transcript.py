"""The conversation: questions, answers as they grow, notes, and the facts under each answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from tui.core.text import clean, clean_line
from tui.widgets.guarded import Guarded
from tui.widgets.streamed_markdown import StreamedMarkdown
from tui.widgets.thoughts import Thoughts

if TYPE_CHECKING:
    from tui.core.events import Retrieved
    from tui.core.turns import Turn

TICK = 0.1
"""Seconds between two drawings of the elapsed time of a phase."""
KEEP_UNFOLDED = 10
"""Turns at the end that are kept as they were drawn; older ones are folded into few widgets."""
LONGEST_FOLD = 4_000
"""Characters of one such widget: it is wrapped all at once, which must not be felt."""


class Note(Static):
    """What a person should know about an answer or the app, with what to do next. Stays where it is."""

    DEFAULT_CSS = """
    Note {
        padding: 0 1;
        border-left: outer $secondary;
        &.-warning { border-left: outer $warning; }
        &.-error { border-left: outer $error; }
        &.-alone { margin-bottom: 1; }
    }
    """

    def __init__(self, message: str, hint: str = "", *, severity: str = "information", alone: bool = False) -> None:
        """Shows `message` and `hint`; `severity` is ``information``, ``warning`` or ``error``.

        `alone` keeps a line free below it.
        """
        parts = [Content(clean(message).strip())]
        if hint:
            parts.append(Content.styled(clean(hint).strip(), "$text-muted"))
        self._content = Content("\n").join(parts)
        classes = f"-{severity} -alone" if alone else f"-{severity}"
        super().__init__(self._content, markup=False, classes=classes)

    def as_content(self) -> Content:
        """Returns the note without its border."""
        return self._content


class TurnView(Guarded, Widget):
    """One question with its answer, its notes and its line of facts."""

    DEFAULT_CSS = """
    TurnView {
        height: auto;
        layout: stream;
        margin-bottom: 1;
        .question { text-style: bold; color: $text-primary; }
        .answer { padding: 0; }
        .facts { color: $text-muted; }
    }
    """

    def __init__(self, question: str, *, now: Callable[[], float], ungrounded: bool = False) -> None:
        """Shows `question`; `now` returns monotonic seconds. An `ungrounded` one is asked of the model alone."""
        super().__init__()
        self.question = question
        self.ungrounded = ungrounded
        self.turn: Turn | None = None
        self._now = now
        self.found: Retrieved | None = None
        self._answer = StreamedMarkdown(classes="answer")
        self._thoughts: Thoughts | None = None
        self._thinking_since = 0.0
        self._arrived: list[str] = []
        self._keeps_lines = False
        self._facts = Static(Content(""), markup=False, classes="facts")
        self._phase = ""
        self._phase_began = 0.0
        self._phase_lasts = 0.0
        self._ticking: Timer | None = None
        self._started = now()
        self._facts_text = ""
        self._over = False

    def compose(self) -> ComposeResult:
        yield Static(Content(f"You  {clean(self.question)}"), markup=False, classes="question")
        yield self._answer
        yield self._facts

    @property
    def answer(self) -> str:
        """The answer as far as it came."""
        return clean("".join(self._arrived)).lstrip()

    @property
    def phase(self) -> str:
        """What is going on now; empty when the turn is over."""
        return self._phase

    def show_phase(self, phase: str, *, lasts: float = 0.0) -> None:
        """Says what is going on, with the seconds since this phase began, until the next phase or the end.

        Where it is known that it `lasts` so many seconds, those that are left are shown instead.
        """
        if phase == self._phase:
            return
        self._phase = phase
        self._phase_began = self._now()
        self._phase_lasts = lasts
        if self._ticking is None:
            self._ticking = self.set_interval(TICK, self._tick, name="phase")
        self._tick()

    def show_waiting(self, text: str) -> None:
        """Shows `text` in the place of the phase, without a clock."""
        self._facts.update(Content(clean_line(text)))

    def show_found(self, found: Retrieved) -> None:
        """Takes over the sources of this turn, so that their numbers in the answer lead to them."""
        self.found = found
        self._answer.set_citations(len(found.hits))

    def keep_lines(self) -> None:
        """Says that the answer comes line by line, where Markdown would make one paragraph of them."""
        self._keeps_lines = True

    def think(self, text: str) -> None:
        """Adds a piece of what the model thinks, which stays folded."""
        if self._thoughts is None:
            self._thinking_since = self._now()
            self._thoughts = Thoughts()
            self.mount(self._thoughts, before=self._answer)
        self._thoughts.append(text)

    def _thought(self) -> None:
        if self._thoughts is not None:
            self._thoughts.finish(self._now() - self._thinking_since)

    def append(self, text: str) -> None:
        """Adds a piece of the answer."""
        self._thought()
        self._arrived.append(text)
        self._answer.append(self._as_markdown(text))

    async def drain(self) -> None:
        """Waits while more of the answer has come than could be read yet."""
        await self._answer.drain()

    def _as_markdown(self, text: str) -> str:
        return text.replace("\n", "  \n") if self._keeps_lines else text

    def add_note(self, message: str, hint: str = "", *, severity: str = "warning") -> None:
        """Adds a lasting note between the answer and its facts."""
        self.mount(Note(message, hint, severity=severity), before=self._facts)

    def finish(self, turn: Turn) -> None:
        """Shows the end of the turn: the rest of the answer, an error if there was one, and the facts."""
        from tui.core.turns import TurnState
        from tui.widgets.facts import facts

        self.turn = turn
        self._answer.finish()
        if clean(turn.answer).strip() != self.answer.strip():
            self._arrived[:] = [turn.answer]
            self._answer.replace(self._as_markdown(turn.answer))
        if turn.state is TurnState.FAILED and turn.error:
            self.add_note(turn.error, severity="error")
        self._end(facts(turn))

    def stop(self) -> None:
        """Keeps what came of the answer and marks it as stopped."""
        from tui.widgets.facts import seconds

        self._answer.finish()
        self._end(f"stopped · {seconds(self._now() - self._started)}")

    def fail(self, message: str, hint: str = "") -> None:
        """Keeps what came of the answer and says why no more will come."""
        self._answer.finish()
        self.add_note(message, hint, severity="error")
        self._end("not finished" if self.answer else "not answered")

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self._over

    def as_content(self) -> Content:
        """Returns everything that is shown here, in one piece."""
        parts = [Content.styled(f"You  {clean(self.question)}", "bold $text-primary")]
        if self.answer:
            shown = self._answer.plain if self._answer.settled else self.answer
            parts.append(Content(shown.rstrip()))
        parts += [note.as_content() for note in self.query_children(Note)]
        parts.append(Content.styled(self._facts_text, "$text-muted"))
        return Content("\n").join(parts)

    def _end(self, line: str) -> None:
        if self._ticking is not None:
            self._ticking.stop()
            self._ticking = None
        self._thought()
        self._phase = ""
        self._over = True
        self._facts_text = line
        self._facts.update(Content(line))

    def _tick(self) -> None:
        elapsed = max(0.0, self._now() - self._phase_began)
        left = math.ceil(self._phase_lasts - elapsed)
        shown = f"{max(0, left)} s" if self._phase_lasts else f"{elapsed:.1f} s"
        self._facts.update(Content(f"{self._phase} · {shown} · Esc stops"), layout=False)


class Transcript(Guarded, VerticalScroll, can_focus=False):
    """All turns, oldest first. Follows the newest line only while it is at the bottom."""

    DEFAULT_CSS = """
    Transcript {
        layout: stream;
        height: 1fr;
        scrollbar-gutter: stable;
        scrollbar-size-vertical: 1;
        .folded { margin-bottom: 1; }
    }
    """

    class Followed(Message):
        """Whether the view is at the bottom; sent when that changes."""

        def __init__(self, at_end: bool) -> None:
            super().__init__()
            self.at_end = at_end

    def __init__(self, *, now: Callable[[], float], id: str | None = None) -> None:
        """Makes an empty transcript; `now` returns monotonic seconds."""
        super().__init__(id=id)
        self._now = now
        self._at_end = True

    async def begin(self, question: str, *, ungrounded: bool = False) -> TurnView:
        """Adds a question, which may be `ungrounded`, scrolls to it and returns its view."""
        await self._fold()
        view = TurnView(question, now=self._now, ungrounded=ungrounded)
        await self.mount(view)
        self._follow()
        return view

    def add_note(self, message: str, hint: str = "", *, severity: str = "information") -> None:
        """Adds a lasting note that belongs to no question."""
        self.mount(Note(message, hint, severity=severity, alone=True))

    @property
    def turns(self) -> list[TurnView]:
        """The views of all questions, oldest first."""
        return list(self.query_children(TurnView))

    async def _fold(self) -> None:
        """Draws what is far above as few widgets, because a layout costs as much as there are widgets."""
        turns = self.turns
        if len(turns) < 2 * KEEP_UNFOLDED:
            return
        group: list[TurnView | Note] = []
        length = 0
        with self.app.batch_update():
            for child in list(self.children)[: self.children.index(turns[-KEEP_UNFOLDED])]:
                if not isinstance(child, Note) and not (isinstance(child, TurnView) and child.is_over):
                    continue
                size = len(child.as_content())
                if length + size > LONGEST_FOLD:
                    await self._replace(group)
                    group, length = [], 0
                if size <= LONGEST_FOLD:
                    group.append(child)
                    length += size
            await self._replace(group)

    async def _replace(self, group: list[TurnView | Note]) -> None:
        """Puts one widget into the place of `group`, whose members stand together."""
        if not group:
            return
        content = Content("\n\n").join(member.as_content() for member in group)
        await self.mount(Static(content, markup=False, classes="folded"), before=group[0])
        await self.remove_children(group)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._look()

    def watch_virtual_size(self, size: Size) -> None:
        # Sizes and scrolling are settled by the layout, so what they mean is known one refresh later.
        self.call_after_refresh(self._settle)

    def on_resize(self) -> None:
        self.call_after_refresh(self._settle)

    def _settle(self) -> None:
        if self.is_anchored != (self.max_scroll_y > 0):
            self._follow()
        self._look()

    def _follow(self) -> None:
        """Sticks to the bottom; not while everything fits, for Textual would then push the text down to it."""
        self.anchor(self.max_scroll_y > 0)
        if not self.is_anchored:
            self.scroll_to(y=0, animate=False, force=True, immediate=True)

    def _look(self) -> None:
        at_end = self.scroll_offset.y >= self.max_scroll_y
        if at_end != self._at_end:
            self._at_end = at_end
            self.post_message(self.Followed(at_end))
