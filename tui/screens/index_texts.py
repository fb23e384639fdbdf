"""What dialogs and panels say about work on the index."""

from __future__ import annotations

from collections.abc import Sequence

from tui.core.events import Finished, Plan, Transferred
from tui.core.records import IndexInfo
from tui.core.text import clean_line, shorten
from tui.widgets.facts import seconds

MOST_REASONS = 8
"""Reasons for rejected rows that a dialog lists; the rest is counted."""
MOST_IDS = 6


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _examples(ids: Sequence[str]) -> str:
    shown = ", ".join(shorten(id, 30) for id in ids[:MOST_IDS])
    return f"{shown}, …" if len(ids) > MOST_IDS else shown


def plan_text(plan: Plan) -> str:
    """Returns what an upsert would do, group by group, with the first reasons for what it refuses.

    A tab stands between a number and its words, for who can draw them as two columns.
    """
    fate = f"{_counted(plan.to_write, 'record')} will be written" if plan.to_write else "Nothing has to be written"
    lines = [f"{fate}, from the file:", clean_line(plan.source), ""]
    for name, ids in (("new", plan.new), ("changed", plan.changed)):
        lines.append(f"{len(ids):>8,}\t{name}" + (f": {_examples(ids)}" if ids else ""))
    lines.append(f"{len(plan.unchanged):>8,}\tunchanged")
    orphaned = f": {_examples(plan.orphaned)} (in the index only; they stay)" if plan.orphaned else ""
    lines.append(f"{len(plan.orphaned):>8,}\torphaned{orphaned}")
    lines.append(f"{len(plan.rejected):>8,}\trejected")
    for rejection in plan.rejected[:MOST_REASONS]:
        name = f" {shorten(rejection.id, 30)}" if rejection.id else ""
        lines.append(f"{'':>8}\trow {rejection.row}{name}: {shorten(rejection.reason, 120)}")
    if len(plan.rejected) > MOST_REASONS:
        lines.append(f"{'':>8}\tand {len(plan.rejected) - MOST_REASONS:,} more")
    if plan.cost.dollars:
        lines += ["", f"Cost: {_counted(plan.cost.requests, 'request')}, about ${plan.cost.dollars:.2f}."]
    return "\n".join(lines)


def reset_text(info: IndexInfo) -> str:
    """Returns what a reset is going to do."""
    place = f" of the namespace {clean_line(info.namespace)}" if info.namespace else ""
    return (
        f"Removes all {_counted(info.records, 'record')}{place}. A snapshot is saved first.\n\n"
        f"The index:\n{clean_line(info.location)}\n\n"
        "The snapshot restores every record exactly as it is. Type reset to go on."
    )


def finished_text(job: str, event: Finished) -> str:
    """Returns how an upsert or a first fill ended."""
    parts = [f"{job}: {_counted(len(event.written), 'record')} written"]
    if event.failed:
        parts.append(f"{len(event.failed):,} failed, kept to be tried again")
    if event.plan.rejected:
        parts.append(f"{len(event.plan.rejected):,} rejected")
    parts.append(seconds(event.seconds))
    return " · ".join(parts)


def transferred_text(job: str, event: Transferred) -> str:
    """Returns how a reset or an export ended, with the file."""
    verb = "removed" if job == "reset" else "written"
    parts = [f"{job}: {_counted(event.records, 'record')} {verb} · {seconds(event.seconds)}"]
    if event.path:
        parts.append(f"{'snapshot' if job == 'reset' else 'file'}: {clean_line(event.path)}")
    if event.note:
        parts.append(clean_line(event.note))
    return "\n".join(parts)


def statistics_text(info: IndexInfo) -> str:
    """Returns everything an index says about itself, a line each."""
    rows = [
        ("kind", info.kind.value),
        ("location", info.location),
        ("namespace", info.namespace or "(default)"),
        ("records", f"{info.records:,}"),
        ("pending", f"{info.pending:,}"),
        ("dimension", f"{info.dimension:,}" if info.dimension else "none"),
        ("similarity", info.similarity or "none"),
        ("model", info.model or "none"),
        ("sparse model", info.sparse_model or "none"),
        ("size", f"{info.size / 1_000_000:,.1f} MB" if info.size else "unknown"),
    ]
    lines = [f"{name:<13}\t{clean_line(value)}" for name, value in rows]
    if len(info.namespaces) > 1:
        lines += ["", "namespaces"]
        lines += [
            f"  {clean_line(name) or '(default)'}: {counts.records:,} records, {counts.pending:,} pending"
            for name, counts in info.namespaces.items()
        ]
    return "\n".join(lines)
