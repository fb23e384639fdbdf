"""From what services say to what the panes show; imported when there is something to tell, after the first paint."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tui.core.events import (
    Answered,
    AskEvent,
    Degraded,
    Delta,
    Finished,
    Loading,
    Progress,
    Retrieved,
    Retrieving,
    Thinking,
    Transferred,
    Waiting,
    Writing,
)
from tui.core.text import clean_line
from tui.core.turns import TurnState
from tui.screens.index_texts import finished_text, transferred_text

if TYPE_CHECKING:
    from tui.core.records import IndexInfo
    from tui.core.turns import Turn
    from tui.screens.chat import ChatScreen
    from tui.screens.messages import IndexEnded, IndexHappened
    from tui.widgets.transcript import TurnView

EXTRACTIVE = "extractive"
"""The name of the answerer that quotes the sources, sentence by sentence."""


def tell_answer(chat: ChatScreen, view: TurnView, event: AskEvent) -> None:
    """Shows what happened to the question of `view`."""
    match event:
        case Waiting():
            view.show_phase(f"waiting for {event.reason}", lasts=event.seconds)
        case Retrieving():
            view.show_phase("retrieving")
        case Retrieved():
            view.show_phase("reading the sources")
            view.show_found(event)
            chat.show_sources(view)
        case Loading():
            view.show_phase(f"loading {event.model}")
        case Writing():
            if event.model == EXTRACTIVE:
                view.keep_lines()
            view.show_phase(f"waiting for {event.model}")
        case Thinking():
            view.show_phase("thinking")
            view.think(event.text)
        case Delta():
            view.show_phase("writing")
            view.append(event.text)
        case Degraded():
            if event.reason != chat.reason_told:
                view.add_note(f"extractive: {event.reason}", event.hint)
                chat.reason_told = event.reason
            chat.status.show_answerer(EXTRACTIVE, reason=event.reason)
        case Answered():
            view.finish(event.turn)
            _tell_turn(chat, event.turn)
            if event.turn.state is TurnState.REFUSED and not event.turn.dropped:
                view.add_note("To fill the index:", _ways_to_fill(chat), severity="information")
            elif event.turn.state is TurnState.REFUSED and chat.has_model:
                key = chat.key_of("chat.ask_anyway")
                view.add_note(f"{key} asks the model anyway, without sources.", severity="information")


def _ways_to_fill(chat: ChatScreen) -> str:
    snapshot = shlex.quote(chat.snapshot) if chat.snapshot else "SNAPSHOT"
    return (
        "F5 (or ragfood index upsert) writes the foods file into it; "
        f"ragfood index restore {snapshot} brings back what a reset or an export saved."
    )


def _tell_turn(chat: ChatScreen, turn: Turn) -> None:
    chat.turns.append(turn)
    if turn.state is TurnState.ANSWERED:
        chat.history.append(turn)
        if not turn.degraded and turn.answerer != "none":
            chat.reason_told = ""
            chat.status.show_answerer(turn.answerer)


def tell_index_work(chat: ChatScreen, message: IndexHappened) -> None:
    """Shows how far the work on the index is."""
    match message.event:
        case Progress():
            label = message.job if message.event.label == "upsert" else message.event.label
            chat.index_panel.show_progress(message.event, label)
        case Finished():
            _tell_outcome(chat, finished_text(message.job, message.event), warning=bool(message.event.failed))
        case Transferred():
            _tell_outcome(chat, transferred_text(message.job, message.event))
            if message.job == "reset" and message.event.path:
                # The panel forgets it with the next work; the way back must stay where it can be found.
                path = chat.snapshot = clean_line(message.event.path)
                chat.transcript.add_note(
                    f"The index was reset. Its {message.event.records:,} records are in {path}",
                    f"They come back with: ragfood index restore {shlex.quote(path)}",
                )


def _tell_outcome(chat: ChatScreen, text: str, *, warning: bool = False) -> None:
    chat.index_panel.show_outcome(text)
    if warning or not (chat.index_panel.region or chat.indexing.job == "first fill"):
        chat.notify(text, severity="warning" if warning else "information", markup=False)


def tell_index_end(chat: ChatScreen, message: IndexEnded) -> None:
    """Shows how the work on the index ended."""
    if message.error is not None:
        chat.index_panel.show_outcome(f"{message.job}: {message.error.message}")
        chat.transcript.add_note(message.error.message, message.error.hint, severity="error")
    elif message.stopped:
        chat.index_panel.show_outcome(f"{message.job} stopped; what was finished stays")
    else:
        chat.index_panel.end_progress()


def tell_info(chat: ChatScreen, info: IndexInfo) -> None:
    """Shows what the index says about itself."""
    chat.status.show_index(info)
    chat.index_panel.show_info(info)
    left = info.unfinished
    # While work goes on here it is not interrupted; elsewhere it may grow, and saying so once is enough.
    if left is not None and not chat.indexing.busy and (left.kind, left.file) != chat.unfinished_told:
        chat.unfinished_told = (left.kind, left.file)
        chat.transcript.add_note(left.sentence, left.hint)
