"""What lightgate costs, as a ratio to the same lighttpd alone. `python -m bench`; see docs/benchmarks.md."""
