"""How large a regular expression may be. Beyond a limit a pattern is refused, never cut short.

The limits bound three things: the time to build an automaton (a few seconds at the very worst), the size of
the generated script, and the memory that a Lua state needs for it.
"""

from __future__ import annotations

MAX_PATTERN = 1_000  # characters; a longer one is generated text, and a list compares faster
MAX_DEPTH = 50  # groups inside one another; the parser recurses
MAX_REPEAT = 1_000  # of `{m,n}`: every repetition is a state of its own
MAX_NODES = 10_000  # of the nondeterministic automaton, repetitions written out
MAX_STATES = 2_000  # of the deterministic automaton before equal ones are merged
MAX_CELLS = 60_000  # states times byte classes afterwards: 16 bytes of memory each in Lua, 1 MB together
MAX_STEPS = 1_000_000  # of building the deterministic automaton, 1 to 2 s

TOO_LARGE_HELP = "anchor it with `^`, repeat less, name fewer groups, or split it into several `matches`"
