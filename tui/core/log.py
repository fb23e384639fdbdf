"""The log: a few rotating files in the state folder, without secrets, and never a reason to fail.

Every room logs to ``logging.getLogger(__name__)``, all below the logger ``tui``. Importing this module costs nothing;
`setup_log` brings in the standard library's logging.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tui.core.errors import ConfigurationError
from tui.core.paths import Paths, ensure_directory
from tui.core.secret import Secret

if TYPE_CHECKING:
    import logging

    from tui.core.log_files import SafeFormatter

_MAX_BYTES = 1_000_000
_OLDER_FILES = 3


class Log:
    """A log that was set up. `reason` says why nothing is written, and is empty when it is."""

    def __init__(self, reason: str, handler: logging.Handler, formatter: SafeFormatter) -> None:
        self.reason = reason
        self._handler = handler
        self._formatter = formatter

    def hide(self, secret: Secret) -> None:
        """Keeps `secret` out of everything that is logged from now on."""
        self._formatter.hide(secret)

    def close(self) -> None:
        """Ends the log and closes its file. Safe to call twice."""
        import logging

        logger = logging.getLogger("tui")
        logger.removeHandler(self._handler)
        logger.propagate = True
        self._handler.close()


def setup_log(paths: Paths, *, debug: bool = False, secrets: Iterable[Secret] = ()) -> Log:
    """Starts the log in `paths.log_file`: 1 MB a file and three older ones, readable by their owner only.

    Warnings and information are written, and details too when `debug` is on. `secrets` and whatever follows ``Bearer``
    are redacted, in messages and in tracebacks. A folder that cannot be written means no log, and a `reason`.
    """
    import logging

    from tui.core.log_files import PrivateRotatingFile, SafeFormatter

    logger = logging.getLogger("tui")
    logger.setLevel(logging.DEBUG if debug else logging.INFO)
    # Without a handler of ours, logging would print warnings over the screen.
    logger.propagate = False
    formatter = SafeFormatter(secrets)
    handler: logging.Handler = logging.NullHandler()
    reason = ""
    try:
        ensure_directory(paths.log_file.parent)
        handler = PrivateRotatingFile(paths.log_file, max_bytes=_MAX_BYTES, older_files=_OLDER_FILES)
    except ConfigurationError as error:
        reason = error.message
    except OSError as error:
        reason = f"The log {paths.log_file} cannot be written: {error.strerror or error}."
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    return Log(reason, handler, formatter)
