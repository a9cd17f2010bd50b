"""A place in a pattern that moves forward, and errors that know where they are."""

from __future__ import annotations

from luagen.regex.error import RegexError


class Cursor:
    """Reads a pattern character by character; `at` is the offset of the next one."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    @property
    def next(self) -> str:
        """The next character, not taken; the empty text at the end."""
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        """The next character; the empty text at the end."""
        found = self.next
        self.at += len(found)
        return found

    def accept(self, text: str) -> bool:
        """Takes `text` when it comes next; whether it did."""
        found = self.pattern.startswith(text, self.at)
        if found:
            self.at += len(text)
        return found

    def take_while(self, characters: str, most: int | None = None) -> str:
        """The longest run of these characters, `most` at most."""
        start = self.at
        while self.next and self.next in characters and (most is None or self.at - start < most):
            self.at += 1
        return self.pattern[start : self.at]

    def error(
        self, message: str, start: int, help: str | None = None, *, end: int | None = None
    ) -> RegexError:
        """A mistake from `start` to `end`, by default to where the cursor stands."""
        return RegexError(message, start, max(self.at if end is None else end, start), help)
