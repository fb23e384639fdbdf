"""What long work says while it runs: frozen values that services yield and screens show."""

from __future__ import annotations

from dataclasses import dataclass

from tui.core.records import Hit
from tui.core.turns import Turn


@dataclass(frozen=True, slots=True)
class Waiting:
    """The search has to wait for `reason` (the words after "waiting for"), `seconds` long; 0 when nobody knows."""

    reason: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Retrieving:
    """The index is being searched for `query`."""

    query: str


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The search is done: `hits` are the numbered sources, `dropped` what the relevance gate held back.

    `total` is the number of records in the namespace; `seconds` is what the search took.
    """

    hits: tuple[Hit, ...]
    dropped: tuple[Hit, ...]
    total: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Degraded:
    """The answer will be less than it could be: why, and what to do about it."""

    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Loading:
    """The model is being loaded into memory."""

    model: str


@dataclass(frozen=True, slots=True)
class Writing:
    """The answerer got the prompt; `model` is its name, or ``extractive``."""

    model: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """A piece of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The turn is over, whether it was answered, refused by the gate, or failed: see `turn.state`."""

    turn: Turn


AskEvent = Waiting | Retrieving | Retrieved | Degraded | Loading | Writing | Thinking | Delta | Answered


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was refused: `row` counts from 1, `id` may be empty, `reason` names the field."""

    row: int
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What a plan would spend: `writes` and `requests` as Upstash counts them, `dollars` 0 where nothing is charged."""

    writes: int = 0
    requests: int = 0
    dollars: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What an upsert would do, before it does it: record ids by fate, and the rows that were refused."""

    source: str
    new: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    orphaned: tuple[str, ...]
    rejected: tuple[Rejection, ...]
    cost: Cost

    @property
    def to_write(self) -> int:
        """How many records the upsert would write."""
        return len(self.new) + len(self.changed)


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan of an upsert, before its first write."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` steps (records, or rows) after `seconds`; `label` says what is being done."""

    label: str
    done: int
    total: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an upsert: ids `written`, and (id, reason) of what `failed`."""

    plan: Plan
    written: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    seconds: float


IngestEvent = Planned | Progress | Finished


@dataclass(frozen=True, slots=True)
class Transferred:
    """The end of an export, a restore or a reset: how many records, and the file (the snapshot, for a reset).

    `path` is empty when no file was needed; `note` is a sentence for people where there is more to say.
    """

    records: int
    path: str
    seconds: float
    note: str = ""


TransferEvent = Progress | Transferred
