"""The words under an answer: who wrote it, from how much, how fast, and what was wrong with it."""

from __future__ import annotations

from tui.core.text import clean_line
from tui.core.turns import Turn, TurnState


def seconds(duration: float) -> str:
    """Returns a duration in seconds for people: ``4 ms``, ``1.9 s``, ``2 min 05 s``."""
    if duration < 0.95:
        return f"{max(0, round(duration * 1000))} ms"
    if duration < 99.95:
        return f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest:02d} s"


def badges(turn: Turn) -> list[str]:
    """Returns the words that qualify an answer, most important first; empty for an ordinary one."""
    found = []
    if turn.fallback:
        found.append("[Fallback Mode]")
    if turn.state is TurnState.STOPPED:
        found.append("stopped")
    elif turn.state is TurnState.FAILED:
        found.append("not finished")
    elif turn.state is TurnState.REFUSED:
        found.append("nothing close enough" if turn.dropped else "nothing to answer from")
    if turn.truncated:
        found.append("prompt cut by the model")
    unknown = sorted({citation.number for citation in turn.citations if not citation.known})
    if unknown:
        markers = ", ".join(f"[{number}]" for number in unknown)
        found.append(f"no source {markers}")
    return found


def facts(turn: Turn) -> str:
    """Returns the line under an answer: badges, answerer, sources, speed and time, as far as known."""
    parts = badges(turn)
    if turn.answerer != "none":
        parts.append(clean_line(turn.answerer))
    if turn.state is not TurnState.REFUSED:
        count = len(turn.hits)
        parts.append(f"{count} source" if count == 1 else f"{count} sources")
    if turn.tokens_per_second:
        parts.append(f"{turn.tokens_per_second:.0f} tok/s")
    total = turn.timings.get("total")
    if total is not None:
        parts.append(seconds(total))
    return " · ".join(parts)
