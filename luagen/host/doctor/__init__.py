"""`lightgate doctor`: looks at the whole host and says what is wrong and what to do about it.

Each module is a group of checks; a check is a small function that yields findings. `facts.py` gathers what
several of them need, once. Nothing here changes anything.
"""
