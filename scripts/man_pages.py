"""Writes a manual page for `lightgate` and each of its commands, from click's words: man_pages.py DIRECTORY.

Runs in the environment that is installed. Nothing in the pages depends on time or machine. (click-man leaves
click's paragraph marks in the text, escapes nothing and dates every page.)
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from luagen import resources
from luagen.cli import lightgate

VERBATIM = "\b"  # click's mark of a paragraph whose lines stay as they are

EXIT_STATUS = (
    ("0", "Fine."),
    ("1", "The policy or this machine is not fit; standard error says why and what to do."),
    ("2", "Wrong usage."),
    ("70", "A bug in lightgate."),
)
FILES = (
    ("/etc/lightgate/lightgate.toml", "The policy: lightgate.toml(5)."),
    (
        "/etc/lightgate/host.toml",
        "Where this host keeps things, when not in the usual places: lightgate-host.toml(5).",
    ),
    ("/etc/lightgate/credentials/", "Secrets, one file each, for root alone."),
    ("/var/lib/lightgate/", "Releases, and the link to the one in force."),
    ("/var/log/lightgate/audit.log", "Who deployed what, and when."),
)
OTHER_PAGES = ("lightgate.toml(5)", "lightgate-host.toml(5)", "lightgate-sidecar(8)", "lighttpd(8)")

# groff turns these into typographic characters, which nobody can paste into a shell (groff_char(7)).
_ESCAPES = str.maketrans(
    {
        "\\": r"\(rs",
        "…": "...",
        "-": r"\-",
        "'": r"\(aq",
        "`": r"\(ga",
        "^": r"\(ha",
        "~": r"\(ti",
        '"': r"\(dq",
    }
)


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for context in _contexts(_context(lightgate, "lightgate")):
        (directory / f"{_page_name(context)}.1").write_text(page(context), encoding="utf-8")


def page(context: click.Context) -> str:
    """The source of the page of a command."""
    return "".join(f"{line}\n" for line in _lines(context))


def _contexts(context: click.Context) -> Iterator[click.Context]:
    """A command's context and those of all commands below it."""
    yield context
    for name, command in _commands(context):
        yield from _contexts(_context(command, name, context))


def _context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    """As click makes it to run the command, but nothing is parsed: options do not do their work."""
    return click.Context(command, info_name=name, parent=parent, **command.context_settings)


def _commands(context: click.Context) -> list[tuple[str, click.Command]]:
    command = context.command
    if not isinstance(command, click.Group):
        return []
    found = ((name, command.get_command(context, name)) for name in command.list_commands(context))
    return [(name, one) for name, one in found if one is not None and not one.hidden]


def _page_name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _lines(context: click.Context) -> Iterator[str]:
    name, command = _page_name(context), context.command
    version = _text(resources.version())
    yield '.\\" Made from what `lightgate --help` says.'
    yield f'.TH {_text(name.upper())} 1 "" "lightgate {version}" "lightgate"'
    yield ".SH NAME"
    yield f"{_text(name)} \\- {_text(_short(command))}"
    yield ".SH SYNOPSIS"
    usage = " ".join(map(_metavar, command.collect_usage_pieces(context)))
    yield f"\\fB{_text(context.command_path)}\\fP {usage}"
    yield ".SH DESCRIPTION"
    examples: list[str] = []
    for paragraph in _paragraphs(command):
        if paragraph[0] == VERBATIM and paragraph[1] in ("Example:", "Examples:"):
            examples += paragraph[2:]
        elif paragraph[0] == VERBATIM:
            yield from (".PP", ".nf", *map(_line, paragraph[1:]), ".fi")
        else:
            yield from (".PP", *map(_line, paragraph))
    options = [one for one in command.get_params(context) if isinstance(one, click.Option)]
    records = [record for one in options if (record := one.get_help_record(context)) is not None]
    if records:
        yield ".SH OPTIONS"
        for names, help_text in records:
            yield from (".TP", _option(names), _line(help_text))
    commands = _commands(context)
    if commands:
        yield ".SH COMMANDS"
        for below, one in commands:
            yield from (
                ".TP",
                f"\\fB{_text(name)}\\-{_text(below)}\\fP(1)",
                _line(one.get_short_help_str(200)),
            )
    if examples:
        yield ".SH EXAMPLES"
        lines = textwrap.dedent("\n".join(examples)).split("\n")
        yield from (".PP", ".nf", *(_line(line, verbatim=True) for line in lines), ".fi")
    yield ".SH EXIT STATUS"
    for status, meaning in EXIT_STATUS:
        yield from (".TP", f"\\fB{status}\\fP", _line(meaning))
    if context.parent is None:
        yield ".SH FILES"
        for path, meaning in FILES:
            yield from (".TP", f"\\fI{_text(path)}\\fP", _line(meaning))
    yield ".SH SEE ALSO"
    related = [] if context.parent is None else [f"{_page_name(context.parent)}(1)"]
    yield ",\n".join(_reference(one) for one in (*related, *OTHER_PAGES))


def _paragraphs(command: click.Command) -> Iterator[list[str]]:
    """The lines of each paragraph of the help text; a verbatim one begins with VERBATIM."""
    text = inspect.cleandoc(command.help or "").partition("\f")[0]
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        if paragraph.strip():
            yield paragraph.split("\n")


def _short(command: click.Command) -> str:
    """The short help as the NAME section has it: no capital (unless the word has more), no period."""
    text = command.short_help or command.get_short_help_str(200)
    text = text.rstrip(".")
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _option(names: str) -> str:
    """`-h, --help` in bold, `DIR` in italics."""
    return " ".join(_metavar(word) for word in names.split())


def _metavar(word: str) -> str:
    if word.startswith("-"):
        bare = word.rstrip(",")
        return f"\\fB{_text(bare)}\\fP" + word[len(bare) :]
    if re.fullmatch(r"[A-Z][A-Z_=]*", word):
        return f"\\fI{_text(word)}\\fP"
    return _text(word)


def _reference(page_name: str) -> str:
    title, section = page_name.rstrip(")").split("(")
    return f".BR {_text(title)} ({section})"


def _line(text: str, *, verbatim: bool = False) -> str:
    """A line of text: no request to groff, code between backticks in bold."""
    parts = [text] if verbatim else re.split(r"`([^`]*)`", text)
    escaped = "".join(
        f"\\fB{_text(part)}\\fP" if index % 2 else _text(part) for index, part in enumerate(parts)
    )
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _text(text: str) -> str:
    return text.translate(_ESCAPES)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
