"""The command that checks every dependency."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import click

from tui.cli.layout import wrap
from tui.cli.output import print_json, say, terminal_width
from tui.cli.running import current_run, json_option, opened, run_async

if TYPE_CHECKING:
    from tui.core.records import Finding

_MARKS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}
_INDENT = " " * 9


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Check everything an answer depends on, and say how to mend what is wrong."""
    run = current_run()
    from tui.services.doctor import ERROR, examine
    from tui.wiring import foods_file

    async def work() -> list[Finding]:
        async with opened(run) as services:
            return await examine(run.settings, run.paths, foods_file(run.settings), services.index, services.answerer)

    findings = run_async(work)
    healthy = all(finding.severity != ERROR for finding in findings)
    if as_json:
        print_json({"ok": healthy, "findings": [dataclasses.asdict(finding) for finding in findings]})
        return 0 if healthy else 1
    width = terminal_width(sys.stdout)
    for finding in findings:
        message = wrap(f"{finding.check}: {finding.message}", width, _INDENT)
        say(_MARKS[finding.severity] + message[len(_MARKS[finding.severity]) :])
        if finding.hint:
            say(wrap(f"→ {finding.hint}", width, _INDENT))
    say(f"\nlog: {run.paths.log_file}")
    return 0 if healthy else 1
