"""Model names as Ollama reads them, and what it tells about its models (types/model/name.go, api/types.go, v0.33.0)."""

from __future__ import annotations

from dataclasses import dataclass

_REGISTRY = "registry.ollama.ai/"
_LIBRARY = "library/"


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A row of /api/tags. `capabilities` and `context_length` are None on servers before v0.30.0.

    `context_length` is the longest window the model was made for, in tokens, not the one in use. `remote` models run
    on Ollama's cloud: prompts to them leave the machine.
    """

    name: str
    size: int = 0
    digest: str = ""
    capabilities: frozenset[str] | None = None
    context_length: int | None = None
    remote: bool = False


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A row of /api/ps. `context_length` is the window in use, in tokens; None on servers before v0.10.0."""

    name: str
    context_length: int | None = None
    expires_at: str = ""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What /api/show tells about one model; None where the server does not say."""

    capabilities: frozenset[str] | None = None
    context_length: int | None = None


def normal_name(name: str) -> str:
    """Returns the form in which names are equal when they mean the same model: short, with tag, casefolded."""
    short = name.strip().casefold().removeprefix(_REGISTRY).removeprefix(_LIBRARY)
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"


def same_model(one: str, other: str) -> bool:
    """Whether two names mean the same installed model: ``llama3.2`` and ``llama3.2:latest`` do, ``:3b`` does not."""
    return normal_name(one) == normal_name(other)


def same_family(one: str, other: str) -> bool:
    """Whether two names differ in their tags at most."""
    return normal_name(one).rpartition(":")[0] == normal_name(other).rpartition(":")[0]


def shows_to_be_remote(name: str) -> bool:
    """Whether a name asks for Ollama's cloud: ``gpt-oss:120b-cloud``, ``x:cloud``."""
    tag = normal_name(name).rpartition(":")[2]
    return tag == "cloud" or tag.endswith("-cloud")
