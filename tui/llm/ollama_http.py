"""The HTTP session towards Ollama: proxies, TLS, credentials and timeouts. The only place that sets up httpx."""

from __future__ import annotations

import socket
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from tui.core.errors import AnswererUnavailable, SettingsError
from tui.core.text import shorten
from tui.llm.ollama_host import OllamaHost

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import httpx

    from tui.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds: to `connect`, for a plain `reply`, and between two chunks of a stream (`stall`).

    Nothing limits the wait for a stream's first byte: it comes after queueing, loading the model and reading the
    prompt, and giving up there aborts the load, so that trying again would never end (server/sched.go, v0.33.0).
    """

    connect: float
    reply: float = 5.0
    stall: float = 300.0

    @classmethod
    def for_host(cls, host: OllamaHost) -> Timeouts:
        """Returns short limits for this machine and longer ones for others."""
        return cls(connect=2.0) if host.is_loopback else cls(connect=10.0, reply=15.0)


def check_api_key(api_key: Secret | None) -> None:
    """Raises `SettingsError` when a key cannot be a header's value; the message does not contain it."""
    if api_key is None:
        return
    if not all("!" <= character <= "~" for character in api_key.reveal()):
        raise SettingsError(
            "OLLAMA_API_KEY holds characters that no key has, such as a space, a line end or an accent.",
            hint="Copy the key again, without quotes around it.",
        )


def key_is_withheld(host: OllamaHost, api_key: Secret | None) -> bool:
    """Whether a key or a password is set that is not sent, because it would travel readable for others."""
    return not host.may_carry_secrets and (bool(api_key) or bool(host.userinfo))


def open_session(host: OllamaHost, api_key: Secret | None, timeouts: Timeouts) -> httpx.AsyncClient:
    """Builds the session; slow the first time, because it imports httpx. Call it off the event loop.

    Proxy variables count only for hosts beyond the local network: a proxy must never see loopback traffic, and httpx
    itself knows no exception for it. Raises `AnswererUnavailable` when they name a proxy that httpx cannot use, or
    certificates that cannot be read.
    """
    import httpx

    direct = host.is_private
    try:
        return httpx.AsyncClient(
            transport=_direct_transport(host) if direct else None,
            trust_env=not direct,
            follow_redirects=False,
            timeout=httpx.Timeout(connect=timeouts.connect, read=None, write=30.0, pool=timeouts.connect),
            headers={
                "User-Agent": "ragfood",
                "Accept": "application/x-ndjson, application/json",
                # Compression in between would hold tokens back until a block is full.
                "Accept-Encoding": "identity",
                "Content-Type": "application/json",
            },
            auth=_signing(host, api_key),
        )
    except OSError as error:
        raise AnswererUnavailable(
            f"The trusted certificates cannot be read: {shorten(error.strerror or str(error))}.",
            hint="Check SSL_CERT_FILE and SSL_CERT_DIR, or unset them to use the usual certificates.",
        ) from error
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise AnswererUnavailable(
            "The proxy that the environment names for Ollama cannot be used.",
            hint=f"Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or add {host.host} to NO_PROXY.",
        ) from error


def _direct_transport(host: OllamaHost) -> httpx.AsyncHTTPTransport:
    import httpx

    # A peer that vanished is noticed even while nothing times out.
    keep_alive = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    return httpx.AsyncHTTPTransport(verify=_tls(host), trust_env=False, socket_options=keep_alive)


def _tls(host: OllamaHost) -> ssl.SSLContext:
    import ssl

    import httpx

    if host.scheme == "https":
        return httpx.create_ssl_context(trust_env=True)
    # Never used over plain http, and empty: loading the usual certificates would only cost 20 ms.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _signing(host: OllamaHost, api_key: Secret | None) -> Callable[[httpx.Request], httpx.Request] | None:
    """Returns what puts credentials on a request, at the last moment, so that nothing else ever holds them."""
    if not host.may_carry_secrets or not (api_key or host.userinfo):
        return None

    def sign(request: httpx.Request) -> httpx.Request:
        if api_key:
            request.headers["Authorization"] = f"Bearer {api_key.reveal()}"
        else:
            request.headers["Authorization"] = f"Basic {b64encode(unquote_to_bytes(host.userinfo)).decode()}"
        return request

    return sign
