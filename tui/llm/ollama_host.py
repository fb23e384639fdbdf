"""Where Ollama is: the rules of OLLAMA_HOST, and which addresses may be trusted with what.

The rules are those of Ollama's own command line (envconfig/config.go and its tests, v0.33.0, 2026-08), so that the
same value means the same server for both. Two of its values only make sense for listening and are turned into
addresses one can connect to: ``0.0.0.0`` and ``::`` (as Ollama's own client does since v0.18.3), and an empty host.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from tui.core.errors import SettingsError
from tui.core.text import clean_line

DEFAULT_ADDRESS = "127.0.0.1"
DEFAULT_PORT = 11434
CLOUD_HOST = "ollama.com"

_PORTS = {"http": 80, "https": 443}
_HOST_NAME = re.compile(r"[^\W_](?:[\w.-]*\w)?\.?")
_PATH = re.compile(r"[\w.~!$&'()*+,;=:@%/-]*", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_HINT = "Give it as host, host:port or http://host:port, for example OLLAMA_HOST=127.0.0.1:11434."


@dataclass(frozen=True, slots=True)
class OllamaHost:
    """An address to connect to. `path` is empty or begins with ``/`` and does not end with one.

    `userinfo` is the ``user:password`` of the address, percent-encoded as given; it never appears in `repr` or in
    `address`, and `may_carry_secrets` decides whether it is sent at all.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    userinfo: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """The base URL without credentials and without a final slash."""
        return f"{self.scheme}://{self._netloc}{self.path}"

    @property
    def address(self) -> str:
        """What people read: ``host:port``, with the scheme where it is not plain http."""
        shown = f"{self._netloc}{self.path}"
        return shown if self.scheme == "http" else f"{self.scheme}://{shown}"

    @property
    def is_loopback(self) -> bool:
        """Whether this is the machine itself."""
        address = _as_ip(self.host)
        if address is not None:
            return address.is_loopback
        name = self.host.rstrip(".").lower()
        return name == "localhost" or name.endswith(".localhost")

    @property
    def is_private(self) -> bool:
        """Whether this is the machine itself or its own network, where no proxy belongs in between."""
        address = _as_ip(self.host)
        if address is not None:
            return address.is_private or address.is_loopback or address.is_link_local
        name = self.host.rstrip(".").lower()
        return self.is_loopback or "." not in name or name.endswith((".local", ".internal", ".lan", ".home.arpa"))

    @property
    def may_carry_secrets(self) -> bool:
        """Whether a key or password may be sent: over TLS, or without leaving the machine."""
        return self.scheme == "https" or self.is_loopback

    @property
    def _netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_ollama_host(value: str) -> OllamaHost:
    """Reads a value of OLLAMA_HOST; empty means the default, a port that is no port the scheme's default.

    Raises `SettingsError` when nothing could ever answer there: an unknown scheme, a host that is no name or address,
    port 0, a path with a query.
    """
    text = value.strip().strip("\"'").strip()
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator:
        scheme, rest = "http", text
        default_port = DEFAULT_PORT
        if rest == CLOUD_HOST:
            scheme, default_port = "https", _PORTS["https"]
    elif scheme in _PORTS:
        default_port = _PORTS[scheme]
    else:
        raise _unusable(value, "its scheme is neither http nor https")
    netloc, _, path = rest.partition("/")
    userinfo, _, netloc = netloc.rpartition("@")
    host, port = _split_host_port(netloc, default_port)
    if port == 0:
        raise _unusable(value, "nothing can be reached at port 0")
    path = path.strip("/")
    if not _PATH.fullmatch(path):
        raise _unusable(value, "its path holds characters that do not belong there")
    return OllamaHost(scheme, _connectable(host, value), port, f"/{path}" if path else "", userinfo)


def _split_host_port(netloc: str, default_port: int) -> tuple[str, int]:
    """Splits as Go's net.SplitHostPort does; what it refuses is taken as a host without a port."""
    if netloc.startswith("["):
        host, bracket, tail = netloc[1:].partition("]")
        if bracket and tail.startswith(":"):
            return host, _port(tail[1:], default_port)
        if bracket and not tail:
            return host, default_port
        return netloc, default_port
    host, colon, port = netloc.rpartition(":")
    if not colon or ":" in host:
        return netloc, default_port
    return host, _port(port, default_port)


def _port(text: str, default: int) -> int:
    if not _NUMBER.fullmatch(text) or len(text) > 9:
        return default
    number = int(text)
    return number if 0 <= number <= 65535 else default


def _connectable(host: str, value: str) -> str:
    if not host:
        return DEFAULT_ADDRESS
    address = _as_ip(host)
    if address is None:
        if not _HOST_NAME.fullmatch(host) or ".." in host or len(host) > 253:
            raise _unusable(value, "it names no host")
        return host
    if address.is_unspecified:
        return DEFAULT_ADDRESS if address.version == 4 else "::1"
    return str(address)


def _as_ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _unusable(value: str, reason: str) -> SettingsError:
    # Whatever stands before an @ may be a password, however broken the rest of the address is.
    shown = clean_line(re.sub(r"^(\s*[\"']?\s*\w*://)?.*@", r"\1…@", value.strip(), flags=re.DOTALL))[:100]
    return SettingsError(f"OLLAMA_HOST is {shown!r}, and {reason}.", hint=_HINT)
