"""The command that checks every dependency."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from tui.cli.output import current_run, json_option, opened, print_json, run_async, say

if TYPE_CHECKING:
    from tui.core.records import Finding

_MARKS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Check everything an answer depends on, and say how to mend what is wrong."""
    from tui.services.doctor import ERROR, examine
    from tui.wiring import foods_file

    run = current_run()

    async def work() -> list[Finding]:
        async with opened(run) as services:
            return await examine(run.settings, run.paths, foods_file(run.settings), services.index, services.answerer)

    findings = run_async(work)
    healthy = all(finding.severity != ERROR for finding in findings)
    if as_json:
        print_json({"ok": healthy, "findings": [dataclasses.asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            say(f"{_MARKS[finding.severity]}  {finding.check}: {finding.message}")
            if finding.hint:
                say(f"         → {finding.hint}")
        say(f"\nlog: {run.paths.log_file}")
    return 0 if healthy else 1
