"""Diagnostics on standard error, as every command shows them."""

from __future__ import annotations

import click

from luagen import render
from luagen.diagnostics import Diagnostic, Severity, without_repetition


def show_diagnostics(diagnostics: tuple[Diagnostic, ...]) -> None:
    for diagnostic in without_repetition(diagnostics):
        click.echo(render.full(diagnostic) + "\n", err=True)
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    if errors:
        click.echo(f"{errors} error{'s' if errors > 1 else ''}", err=True)
