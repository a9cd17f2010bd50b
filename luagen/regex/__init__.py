"""Regular expressions in Python's syntax as deterministic automata: linear time, same results.

    pattern ─ parser.py, leading.py ─▶ tree ─ nfa.py ─▶ paths in CPython's order
        ─ closure.py, determinize.py ─▶ states ─ minimize.py, assemble.py ─▶ Automaton

Patterns match bytes: `.` and a character class stand for one byte, a character beyond ASCII for its UTF-8
bytes, case and words are ASCII's. What is accepted finds what `re.search` of CPython finds, and the same
named groups. `\\B` finds nothing in an empty text, as in CPython to 3.13.
"""

from __future__ import annotations

from luagen.regex.assemble import compile, compiled
from luagen.regex.automaton import Automaton
from luagen.regex.error import RegexError
from luagen.regex.glob import glob_pattern
from luagen.regex.leading import Split, split
from luagen.regex.parser import Parsed, parse

__all__ = [
    "Automaton",
    "Parsed",
    "RegexError",
    "Split",
    "compile",
    "compiled",
    "glob_pattern",
    "parse",
    "split",
]
