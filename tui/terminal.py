"""The terminal as Textual drives it, without the ways in which a terminal could take the app down with it."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import selectors
import signal
from collections.abc import Iterator
from typing import IO, Any, cast

from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

LOOK_EVERY = 0.1
"""Seconds within which the reading thread notices that the app ends, and that a lone Escape was all."""
MOST_AT_ONCE = 4096
"""Bytes that are read in one go."""
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""What asks a program to end in order; its exit code is then 128 and the number of the signal, as shells expect."""


class Output:
    """The file that is drawn to. Once the terminal is gone, what is written to it goes nowhere.

    Textual's writing thread would die of the first error, and whoever draws would wait for it for ever.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Writes `text` to the terminal if there still is one."""
        with self._surviving():
            self._file.write(text)

    def flush(self) -> None:
        """Passes on what was written."""
        with self._surviving():
            self._file.flush()

    def fileno(self) -> int:
        """The descriptor of the terminal."""
        return self._file.fileno()

    @contextlib.contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            # What the file still holds has to go somewhere too, or Python fails at its very end.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._file.fileno())
            os.close(nowhere)


class TerminalDriver(LinuxDriver):
    """Textual's driver for Unix, which reads any bytes and ends in order when the terminal or the system asks for it.

    Bytes that are not UTF-8 (a key of a Latin-1 terminal, a stray 0x9b in a paste) become U+FFFD, as in every editor.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._file = cast("Any", Output(cast("IO[str]", self._file)))

    def start_application_mode(self) -> None:
        """Takes over the terminal, and the signals that ask for the end."""
        loop = asyncio.get_running_loop()
        for number in ENDING_SIGNALS:
            # Signals belong to the main thread; an app in another one lives without.
            with contextlib.suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, self._end, number)
        super().start_application_mode()  # type: ignore[no-untyped-call]  # untyped in Textual

    def _end(self, number: signal.Signals) -> None:
        self._app.exit(return_code=128 + number)

    def _run_input_thread(self) -> None:
        """Reads until the app ends. What escapes is for the app, which knows how to say it."""
        try:
            self.run_input_thread()
        except Exception as error:  # noqa: BLE001 - nothing is swallowed: the app logs it and ends with a sentence
            self._app.call_later(self._app._handle_exception, error)  # noqa: SLF001 - as every part of Textual does

    def run_input_thread(self) -> None:
        """Turns what is typed into events, until the app ends or the terminal is gone."""
        parser = XTermParser(self._debug)
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for data in self._read():
            for event in parser.feed(decoder.decode(data)) if data else parser.tick():
                self.process_message(event)
        with contextlib.suppress(EOFError, ParseError):
            for event in parser.feed(""):
                self.process_message(event)

    def _read(self) -> Iterator[bytes]:
        """Yields what is typed, and an empty piece whenever there is time to look at what stands unfinished."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(LOOK_EVERY):
                    try:
                        data = os.read(self.fileno, MOST_AT_ONCE)
                    except OSError:
                        data = b""
                    if not data:
                        self._loop.call_soon_threadsafe(self._end, signal.SIGHUP)
                        return
                    yield data
                yield b""
