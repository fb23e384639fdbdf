"""The settings: what they are, where they come from, and what is wrong with them.

Precedence: command line, environment, `.env` in the working directory (or the file of ``--env-file``), `config.toml`
(or the file of ``--config``), default. Relative paths start from the folder of the file that names them, elsewhere from
the working directory. A `config.toml` is flat; its keys are the fields of `Settings`, and ``[keys]`` remaps keys:

    index = "auto"                      # auto, upstash, embedded, chroma
    upstash_url = "https://example-eu1-vector.upstash.io"
    upstash_token = "..."
    upstash_plan = "free"               # free, payg, fixed, pro
    namespace = "kitchen"
    foods = "~/foods.json"
    ollama_host = "127.0.0.1:11434"
    ollama_api_key = "..."              # only sent to the ollama_host of the same file
    model = "llama3.2"
    embed_model = "builtin"             # builtin, or an Ollama model
    top_k = 3                           # 1 to 1000
    min_relevance = 0.4                 # 0 to 1, or "calibrated"
    rate_limit = "100/60s"
    redact = false
    chroma_dir = "chroma_db"
    chroma_collection = "foods"

    [keys]
    "chat.stop" = "f9"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tui.core import setting_values as values
from tui.core.errors import SettingsError
from tui.core.paths import Paths
from tui.core.records import IndexKind
from tui.core.secret import Secret
from tui.core.setting_sources import (
    DEFAULT,
    Given,
    Layer,
    command_line_layer,
    config_layer,
    env_file_layer,
    environment_layer,
)
from tui.core.setting_values import DEFAULT_RATE_LIMIT, RateLimit, UpstashPlan
from tui.core.text import shorten


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings.

    `name` is the field of `Settings` and the key in `config.toml`, `variable` the environment variable, `kinds` the
    TOML types it accepts. `private` values are never quoted in a message.
    """

    name: str
    variable: str
    parse: Callable[[str, Path], Any]
    kinds: tuple[type, ...] = (str,)
    private: bool = False


URL = Setting("upstash_url", "UPSTASH_VECTOR_REST_URL", values.parse_url, private=True)
TOKEN = Setting("upstash_token", "UPSTASH_VECTOR_REST_TOKEN", values.parse_token, private=True)
OLLAMA_HOST = Setting("ollama_host", "OLLAMA_HOST", values.parse_name)
OLLAMA_KEY = Setting("ollama_api_key", "OLLAMA_API_KEY", values.parse_token, private=True)
INDEX = Setting("index", "RAGFOOD_INDEX", values.parse_index)

SETTINGS: tuple[Setting, ...] = (
    URL,
    TOKEN,
    Setting("upstash_plan", "RAGFOOD_UPSTASH_PLAN", values.parse_plan),
    INDEX,
    Setting("namespace", "RAGFOOD_NAMESPACE", values.parse_namespace),
    Setting("foods", "RAGFOOD_FOODS", values.parse_path),
    OLLAMA_HOST,
    OLLAMA_KEY,
    Setting("model", "RAGFOOD_MODEL", values.parse_name),
    Setting("embed_model", "RAGFOOD_EMBED_MODEL", values.parse_name),
    Setting("top_k", "RAGFOOD_TOP_K", values.parse_top_k, (int,)),
    Setting("min_relevance", "RAGFOOD_MIN_RELEVANCE", values.parse_min_relevance, (float, int, str)),
    Setting("rate_limit", "RAGFOOD_RATE_LIMIT", values.parse_rate_limit),
    Setting("redact", "RAGFOOD_REDACT", values.parse_switch, (bool,)),
    Setting("chroma_dir", "RAGFOOD_CHROMA_DIR", values.parse_path),
    Setting("chroma_collection", "RAGFOOD_CHROMA_COLLECTION", values.parse_name),
)
"""Every setting, in the order in which people should read them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What was decided, and by whom.

    `foods` is None for the bundled foods.json, `min_relevance` None for the one calibrated with the embedder. The two
    Upstash fields are both set or both empty, and empty when `index` rules Upstash out. `ollama_api_key` is empty
    unless it comes from the same source as `ollama_host`, which is kept out of `repr` since it may hold a password.
    `sources` maps each field to ``command line``, ``environment``, the path of a file, or ``default``; `keys` maps
    binding ids to keys.
    """

    upstash_url: str = ""
    upstash_token: Secret = field(default_factory=lambda: Secret(""))
    upstash_plan: UpstashPlan = UpstashPlan.FREE
    index: IndexKind = IndexKind.AUTO
    namespace: str = ""
    foods: Path | None = None
    ollama_host: str = field(default="127.0.0.1:11434", repr=False)
    ollama_api_key: Secret = field(default_factory=lambda: Secret(""))
    model: str = "llama3.2"
    embed_model: str = "builtin"
    top_k: int = 3
    min_relevance: float | None = None
    rate_limit: RateLimit = DEFAULT_RATE_LIMIT
    redact: bool = False
    chroma_dir: Path = Path("chroma_db")
    chroma_collection: str = "foods"
    keys: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def index_kind(self) -> IndexKind:
        """Which index is meant, `auto` resolved: Upstash when it is configured, else the embedded one."""
        if self.index is not IndexKind.AUTO:
            return self.index
        return IndexKind.UPSTASH if self.upstash_url else IndexKind.EMBEDDED

    def source_of(self, name: str) -> str:
        """Returns where the field `name` comes from."""
        return self.sources.get(name, DEFAULT)


def load_settings(
    *,
    environ: Mapping[str, str],
    cwd: Path,
    paths: Paths,
    overrides: Mapping[str, object] | None = None,
    env_file: Path | None = None,
    config_file: Path | None = None,
) -> Settings:
    """Returns the settings, read from the four sources; looks at nothing but its arguments and the two files.

    `overrides` are the command line's options by field name, None for those not given; `env_file` and `config_file` are
    the files named there, relative to `cwd`. Raises `SettingsError` for a named file that cannot be read, a value that
    is not allowed, an unknown key in `config.toml`, and half of Upstash's address and token.
    """
    cwd = cwd.absolute()
    variables = {setting.name: setting.variable for setting in SETTINGS}
    kinds = {setting.name: setting.kinds for setting in SETTINGS}
    config, keys = config_layer(
        cwd / config_file if config_file else paths.config_file, kinds, required=bool(config_file)
    )
    layers = (
        command_line_layer(overrides or {}, cwd),
        environment_layer(environ, variables, cwd),
        env_file_layer(cwd / (env_file or ".env"), variables, required=env_file is not None),
        config,
    )
    decided: dict[str, Any] = {"chroma_dir": cwd / "chroma_db"}
    sources = {setting.name: DEFAULT for setting in SETTINGS}
    for setting in SETTINGS:
        layer = next((layer for layer in layers if setting.name in layer.given), None)
        if layer is not None and setting not in (URL, TOKEN):
            decided[setting.name] = _parsed(setting, layer)
            sources[setting.name] = layer.source
    if sources[OLLAMA_KEY.name] != sources[OLLAMA_HOST.name]:
        decided.pop(OLLAMA_KEY.name, None)
        sources[OLLAMA_KEY.name] = DEFAULT
    pair = _upstash_pair(layers, decided.get(INDEX.name, IndexKind.AUTO), sources[INDEX.name])
    if pair is not None:
        for setting in (URL, TOKEN):
            decided[setting.name] = _parsed(setting, pair)
            sources[setting.name] = pair.source
    return Settings(**decided, keys=keys, sources=sources)


def _parsed(setting: Setting, layer: Layer) -> Any:
    given = layer.given[setting.name]
    try:
        return setting.parse(given.text.strip(), layer.folder)
    except ValueError as error:
        shown = "is not allowed" if setting.private else f'is "{shorten(given.text)}"'
        raise SettingsError(f"{given.called} ({given.place}) {shown}; it must be {error}.") from None


def _upstash_pair(layers: Sequence[Layer], index: IndexKind, asked_by: str) -> Layer | None:
    """Returns the layer that gives both the address and the token of Upstash, None when Upstash is not used.

    The first layer that gives one of them has to give both: a token goes only to an address from the same source, so
    that a stray `.env` cannot send somebody's key elsewhere.
    """
    if index not in (IndexKind.AUTO, IndexKind.UPSTASH):
        return None
    for position, layer in enumerate(layers):
        found = [setting for setting in (URL, TOKEN) if setting.name in layer.given]
        if len(found) == 2:
            return layer
        if found:
            missing = TOKEN if found[0] is URL else URL
            raise _half_of_a_pair(layer.given[found[0].name], missing, layers[position + 1 :])
    if index is IndexKind.UPSTASH:
        raise SettingsError(
            f"The Upstash index is asked for ({asked_by}), but neither {URL.variable} nor {TOKEN.variable} is set.",
            hint="Copy both from the Upstash console into a .env file, or use --index embedded.",
        )
    return None


def _half_of_a_pair(found: Given, missing: Setting, lower: Sequence[Layer]) -> SettingsError:
    elsewhere = next((layer.given[missing.name] for layer in lower if missing.name in layer.given), None)
    if elsewhere is None:
        return SettingsError(
            f"{found.called} is set ({found.place}), but {missing.variable} is not.",
            hint=f"Set {missing.variable} in the same place, unset {found.called}, or use --index embedded.",
        )
    return SettingsError(
        f"{found.called} comes from one source ({found.place}) and {elsewhere.called} from another "
        f"({elsewhere.place}). A token is sent only to an address from the same source.",
        hint="Set both in the same place, or use --index embedded.",
    )
