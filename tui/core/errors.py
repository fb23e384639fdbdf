"""Errors for people: each says what happened, and its `hint` says what to do next.

Everything that ragfood raises on purpose descends from `RagfoodError`. Two questions decide the class: can the program
go on at all (`ConfigurationError` ends it with exit code 2), and who has to act (the file, the index or the model).
"""

from __future__ import annotations


class RagfoodError(Exception):
    """Something a person can understand and act upon.

    `message` is one sentence about what happened and what it means; `hint` says what the person can do next and may be
    empty when the message already does.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class ConfigurationError(RagfoodError):
    """Settings, arguments or the environment make it impossible to start."""

    exit_code = 2


class SettingsError(ConfigurationError):
    """A setting is missing, malformed or contradicts another; the message names it and where it came from."""


class FoodsFileError(ConfigurationError):
    """A foods file cannot be read at all. Single bad rows are rejections in a `Plan`, not this."""


class QuestionsFileError(ConfigurationError):
    """A question file of `ragfood eval` is malformed; the message names the line."""


class TransferFileError(RagfoodError):
    """An export cannot be read or written, or is not one of ours, cut short, or from another dimension."""


class SessionFileError(RagfoodError):
    """A saved session cannot be read, or is not one of ours."""


class VectorIndexError(RagfoodError):
    """Base of what can go wrong with an index."""


class IndexUnavailable(VectorIndexError):
    """The index cannot be reached or opened now; trying later or elsewhere may work."""


class IndexMissing(IndexUnavailable):
    """There is no index file, or one that was never made whole; writing to it makes it."""


class IndexForbidden(IndexUnavailable):
    """The permissions of the index file or its folder keep this user out."""

    exit_code = 2


class IndexCorrupt(VectorIndexError):
    """The index file is not a database of ours, or damaged."""

    exit_code = 2


class SchemaTooNew(VectorIndexError):
    """The file was written by a newer ragfood and is left untouched."""

    exit_code = 2


class IndexMismatch(VectorIndexError):
    """The index was created for another dimension, similarity or embedder than the one asked for."""

    exit_code = 2


class StorageFull(VectorIndexError):
    """The disk is full or the folder cannot be written; what was committed before stays."""


class IndexBusy(VectorIndexError):
    """Another process holds the write lock for longer than we wait."""


class IndexChanged(VectorIndexError):
    """The index was written to by someone else in the middle of what needs it unchanged; nothing was done."""


class InvalidRecord(VectorIndexError):
    """A record does not fit the index: dimension, missing vector kind, size."""


class InvalidQuery(VectorIndexError):
    """A query does not fit the index: no vector of a kind it needs, a top_k out of range."""

    exit_code = 2


class FilterSyntaxError(InvalidQuery):
    """A filter expression does not parse.

    `expression` is the text as given, `position` the zero-based offset of the first character that does not fit, and
    `detail` the reason in the words of the service's own parser (``line 1:24 token recognition error at: '['``).
    """

    def __init__(self, expression: str, position: int, detail: str) -> None:
        super().__init__(
            f"The filter does not parse at character {position + 1}: {detail}.",
            hint="A filter reads like: region = 'Japan' AND type IN ('Soup', 'Stew').",
        )
        self.expression = expression
        self.position = position
        self.detail = detail


class NamespaceNotFound(VectorIndexError):
    """The namespace does not exist in this index."""


class AnswererError(RagfoodError):
    """Base of what can go wrong while an answer is written."""


class AnswererUnavailable(AnswererError):
    """The model server does not answer, refuses, or answers something that is not Ollama."""


class ModelMissing(AnswererError):
    """The server runs but does not have the model."""


class AnswererBusy(AnswererError):
    """The server has too many requests queued; asking again later works."""


class PromptTooLong(AnswererError):
    """The prompt does not fit the model's context window."""


class AnswerInterrupted(AnswererError):
    """The stream ended before the model said that it was done; what came before is kept."""
