"""`lightgate fmt` and `lightgate import`: help for those who write policies."""

from __future__ import annotations

import difflib
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import click

from luagen import durable, text_file
from luagen.diagnostics import Bag
from luagen.diagnostics_output import show_diagnostics
from luagen.failure import Failure
from luagen.formatting import format_source
from luagen.imports import htaccess, netlify, nginx, policy_text
from luagen.imports.policy_text import Import
from luagen.imports.result import Section
from luagen.source import Source

EXIT_UNFIT = 1
DEFAULT_POLICY = Path("lightgate.toml")
_STDIN = "<stdin>"
_PATH = click.Path(path_type=Path)
_NEW_FILE_MODE = 0o644


@click.command("fmt", short_help="Put policies into their canonical layout.")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=_PATH)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
@click.option("--stdin", is_flag=True, help="Read a policy from standard input, print it in layout.")
def fmt(files: tuple[Path, ...], check: bool, diff: bool, stdin: bool) -> None:
    """Put FILEs into the canonical layout; without FILE, lightgate.toml here.

    Values and comments stay as they are. Prints the names of files that change. A file with mistakes in its
    TOML is left alone.

    \b
    Examples:
      lightgate fmt
      lightgate fmt --check policies/*.toml
      lightgate fmt --diff lightgate.toml
    """
    if stdin and files:
        raise click.UsageError("--stdin and FILE exclude each other")
    if stdin:
        outcomes = [_format_stdin(check=check, diff=diff)]
    else:
        outcomes = [_format_file(path, check=check, diff=diff) for path in files or (DEFAULT_POLICY,)]
    if not all(outcomes):
        raise click.exceptions.Exit(EXIT_UNFIT)


def _format_stdin(*, check: bool, diff: bool) -> bool:
    bag = Bag()
    source = text_file.decode(sys.stdin.buffer.read(), _STDIN, bag)
    formatted = None if source is None else format_source(source, bag)
    if source is None or formatted is None:
        show_diagnostics(bag.sorted())
        return False
    if not check and not diff:
        sys.stdout.buffer.write(formatted.encode())
        return True
    return _show_change(source, formatted, check=check, diff=diff)


def _format_file(path: Path, *, check: bool, diff: bool) -> bool:
    bag = Bag()
    file = text_file.read(path, bag)
    formatted = None if file is None else format_source(file.source, bag)
    if file is None or formatted is None:
        show_diagnostics(bag.sorted())
        return False
    if check or diff:
        return _show_change(file.source, formatted, check=check, diff=diff)
    content = formatted.encode()
    if content != file.content:
        _replace(path, content)
        click.echo(path)
    return True


def _show_change(source: Source, formatted: str, *, check: bool, diff: bool) -> bool:
    """False when the text would change and `check` asks for that."""
    if source.text == formatted:
        return True
    if diff:
        lines = difflib.unified_diff(
            source.text.splitlines(keepends=True),
            formatted.splitlines(keepends=True),
            source.name,
            f"{source.name} in layout",
        )
        for line in lines:
            click.echo(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n", nl=False)
    else:
        click.echo(source.name)
    return not check


def _replace(path: Path, content: bytes) -> None:
    """Writes the file in one step; a link stays one, mode and owner stay as they are."""
    try:
        path = path.resolve(strict=True)
        before = path.stat()
        durable.replace(path, content, stat.S_IMODE(before.st_mode))
        after = path.stat()
        if (after.st_uid, after.st_gid) != (before.st_uid, before.st_gid):
            os.chown(path, before.st_uid, before.st_gid)
    except OSError as error:
        raise Failure(f"cannot write `{path}`: {error.strerror}") from error


@click.group("import", short_help="Take over redirects of another server.")
def import_() -> None:
    """Print redirects of another server as a part of a policy.

    What a policy cannot say is reported with file and line, stands as a comment at its place, and makes the
    exit code 1. Nothing is left out without a word.

    \b
    Examples:
      lightgate import netlify _redirects >> lightgate.toml
      lightgate import htaccess-redirects .htaccess -o moved.toml
    """


def _importer(name: str, of: str, help_text: str, read: Callable[[str], list[Section]]) -> None:
    @import_.command(name, short_help=f"Take over {of}.", help=help_text)
    @click.argument("file", type=_PATH)
    @click.option("-o", "--output", type=_PATH, metavar="OUT", help="Write the new file OUT.")
    def command(file: Path, output: Path | None) -> None:
        _import(file, output, read)


_importer(
    "nginx-redirects",
    "redirects of nginx",
    """Print the redirects in an nginx configuration, or a part of one, as a part of a policy.

    Reads `return`, `rewrite` and `if` of servers and locations, and maps of paths. The names of a server
    become a site. Files that are included are not read.

    \b
    Examples:
      lightgate import nginx-redirects /etc/nginx/sites-available/shop -o shop.toml
      lightgate import nginx-redirects moved.map >> lightgate.toml
    """,
    nginx.read,
)
_importer(
    "htaccess-redirects",
    "redirects of Apache",
    """Print the redirects in the .htaccess file of a site's topmost directory as a part of a policy.

    Reads `Redirect`, `RedirectMatch`, `RewriteRule` with `R`, `F` or `G`, and `RewriteCond`.

    \b
    Examples:
      lightgate import htaccess-redirects .htaccess
      lightgate import htaccess-redirects .htaccess -o moved.toml
    """,
    htaccess.read,
)
_importer(
    "netlify",
    "a `_redirects` file",
    """Print the redirects in a `_redirects` file of Netlify as a part of a policy.

    Rewrites and proxies (status 200) are no redirects, and reported.

    \b
    Examples:
      lightgate import netlify _redirects
      lightgate import netlify public/_redirects -o moved.toml
    """,
    netlify.read,
)


def _import(file: Path, output: Path | None, read: Callable[[str], list[Section]]) -> None:
    bag = Bag()
    found = text_file.read(file, bag)
    if found is None:
        show_diagnostics(bag.sorted())
        raise click.exceptions.Exit(EXIT_UNFIT)
    imported = policy_text.write(read(found.source.text.removeprefix("\ufeff")), str(file))
    if output is None:
        click.echo(imported.text, nl=False)
    else:
        _write_new(output, imported.text.encode())
    _report(file, imported)
    if imported.untranslated:
        raise click.exceptions.Exit(EXIT_UNFIT)


def _write_new(path: Path, content: bytes) -> None:
    try:
        durable.write_new(path, content, _NEW_FILE_MODE)
    except FileExistsError as error:
        raise Failure(f"`{path}` exists already", "name another file, or remove it") from error
    except OSError as error:
        raise Failure(f"cannot write `{path}`: {error.strerror}") from error


def _report(file: Path, imported: Import) -> None:
    for line in policy_text.report(imported, str(file)):
        click.echo(line, err=True)
