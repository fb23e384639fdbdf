"""Kill -9 at every named checkpoint of every durable job, and at random: the next run ends as if nothing had been."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.index.embedded_setup import food_rows, write_foods
from tests.services.crash_lab import Lab, lab
from tui.core.foods import content_hash, read_foods

FOODS = 34
ACTIONS = ("fill", "upsert", "restore", "reset")


@pytest.fixture(scope="module")
def crash_lab() -> Iterator[Lab]:
    with lab() as running:
        yield running


class Scene:
    """A home before a job, and what has to be there after it, however often the job was killed."""

    def __init__(self, crash_lab: Lab, action: str, folder: Path) -> None:
        self.lab = crash_lab
        self.action = action
        self.folder = folder
        self.before = folder / "before"
        self.before.mkdir(parents=True)
        self._prepare()
        undisturbed = self.copy("undisturbed")
        ended = crash_lab.act(action, undisturbed)
        assert ended.well
        self.names = ended.names
        self.seconds = ended.seconds
        self.expected = self.export(undisturbed)
        self.full = self.export(self.copy("full")) if action == "reset" else b""

    def _prepare(self) -> None:
        first, second = food_rows(FOODS), [*food_rows(5, version=2), *food_rows(FOODS - 10, start=5)]
        write_foods(self.before / "foods.json", first)
        if self.action in ("upsert", "reset", "restore"):
            assert self.lab.act("fill", self.before).well
        if self.action == "upsert":
            write_foods(self.before / "foods.json", [*second, *food_rows(FOODS, start=100)])
        if self.action == "restore":
            self.export(self.before)
            (self.before / "export.jsonl").rename(self.before / "restore.jsonl")
            shutil.rmtree(self.before / "data")

    def copy(self, name: str) -> Path:
        home = self.folder / name
        shutil.copytree(self.before, home)
        return home

    def export(self, home: Path) -> bytes:
        assert self.lab.act("export", home).well
        return (home / "export.jsonl").read_bytes()

    def check_nothing_is_lost(self, home: Path) -> None:
        """Right after the kill: a reset leaves every record in the index, or in a snapshot that restores exactly."""
        if self.action != "reset" or self.export(home) == self.full:
            return
        assert self.full in [path.read_bytes() for path in (home / "data" / "snapshots").glob("*.jsonl")]

    def check_next_run_completes(self, home: Path) -> None:
        self.check_nothing_is_lost(home)
        assert self.lab.act(self.action, home).well
        assert self.export(home) == self.expected


@pytest.mark.parametrize("action", ACTIONS)
def test_killed_at_any_checkpoint_the_next_run_completes_it(crash_lab: Lab, action: str, tmp_path: Path) -> None:
    scene = Scene(crash_lab, action, tmp_path)
    for name, times in Counter(scene.names).items():
        for occurrence in sorted({1, (times + 1) // 2, times}):
            home = scene.copy(f"{name}-{occurrence}")
            assert crash_lab.act(action, home, kill_at=[name, occurrence]).killed, (name, occurrence)
            scene.check_next_run_completes(home)


@pytest.mark.parametrize("action", ACTIONS)
def test_killed_at_any_time_the_next_run_completes_it(crash_lab: Lab, action: str, tmp_path: Path) -> None:
    scene = Scene(crash_lab, action, tmp_path)
    source = random.Random(f"kill {action}")
    for number in range(6):
        home = scene.copy(f"random-{number}")
        crash_lab.act(action, home, kill_after=source.uniform(0.0, scene.seconds))
        scene.check_next_run_completes(home)


def test_killed_again_and_again_it_still_completes(crash_lab: Lab, tmp_path: Path) -> None:
    scene = Scene(crash_lab, "fill", tmp_path)
    home = scene.copy("again")
    for name in ("create.committed", "upsert.before_commit", "upsert.committed", "ingestion.batch_committed"):
        assert crash_lab.act("fill", home, kill_at=[name, 1]).killed
    scene.check_next_run_completes(home)


def test_undisturbed_every_food_is_there_once_in_the_order_of_the_file(crash_lab: Lab, tmp_path: Path) -> None:
    scene = Scene(crash_lab, "fill", tmp_path)
    foods = [food for _, food in read_foods(scene.before / "foods.json").foods]
    held = [json.loads(line) for line in scene.expected.splitlines()[1:-1]]
    assert [record["id"] for record in held] == [food.id for food in foods]
    assert [record["metadata"]["content_hash"] for record in held] == [content_hash(food) for food in foods]


def test_the_jobs_pass_every_checkpoint_that_they_should(crash_lab: Lab, tmp_path: Path) -> None:
    passed = {name for action in ACTIONS for name in Scene(crash_lab, action, tmp_path / action).names}
    commits = {
        f"{write}.{moment}"
        for write in ("create", "upsert", "reset", "set_note")
        for moment in ("before_commit", "committed")
    }
    files = {"snapshot.written", "snapshot.renamed", "snapshot.verified"}
    services = {
        "first_fill.begun",
        "ingestion.batch_committed",
        "first_fill.finished",
        "restore.verified",
        "restore.batch_committed",
        "reset.finished",
    }
    assert passed >= commits | files | services


def test_a_fill_that_a_reset_ended_is_never_taken_up_again(crash_lab: Lab, tmp_path: Path) -> None:
    scene = Scene(crash_lab, "fill", tmp_path)
    home = scene.copy("ended")
    assert crash_lab.act("fill", home, kill_at=["ingestion.batch_committed", 2]).killed
    assert crash_lab.act("reset", home).well
    assert crash_lab.act("fill", home).well
    assert scene.export(home).count(b'"id":') == 0
