"""Settings of lighttpd that weaken the rules, or that its version has trouble with."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator

from luagen import compile_policy
from luagen.diagnostics import Code
from luagen.host.doctor.facts import Check, Facts, need
from luagen.host.doctor.finding import Finding, UnseenError, error, ok, warning
from luagen.host.doctor.lighttpd_modules import AUTHORIZER, REQUEST_HOOK, RESPONSE_HOOK, authorizer
from luagen.host.lighttpd_config import Array, Block, MergedConfig, Value, is_on

ORIGINS = "/.lightgate/origin/"  # the entries of lightgate.conf for origins of the policy
MAX_TOKEN_BYTES = 8_192  # that the sidecar reads (docs/sidecar.md)
_DEFAULT_FIELD_BYTES = 8_192  # lighttpd's

# Directives whose entries are gateways.
_GATEWAYS = ("proxy.server", "fastcgi.server", "scgi.server", "wstunnel.server", "ajp13.server")
_CRASHES_ON_TIMEOUT = (1, 4, 83)  # and newer: a read timeout in the middle of an answer
_WIDEST = {4: 8, 6: 7}  # bits of a network that may still be one's own: 10.0.0.0/8, fc00::/7
_SHARES_FORWARDED_ADDRESS = (1, 4, 69)  # and older


def _overrides(facts: Facts) -> Iterator[Finding]:
    """Inside a condition `=` replaces what lightgate has set: there, no rule is asked."""
    configuration, current = need(facts.configuration), facts.settings.current
    origins = [
        key for key, _ in configuration.array("proxy.server").entries if key and key.startswith(ORIGINS)
    ]
    found = False
    for block in configuration.blocks:
        for name, expected, effect in (
            (REQUEST_HOOK, str(current / "request.lua"), "no rule is asked"),
            (
                RESPONSE_HOOK,
                str(current / "response.lua"),
                "responses that nobody decided on are not held back",
            ),
            ("fastcgi.server", AUTHORIZER, "all that needs the sidecar is a 404"),
            *(
                ("proxy.server", key, "what is for an origin of the policy goes astray")
                for key in origins[:1]  # all of them are set in one place
            ),
        ):
            if name in block.values and not _holds(block, name, expected):
                found = True
                yield error(
                    f"{block.where} replaces `{name}`: {effect} there",
                    f"write {name} += instead of {name} = inside {block.where}",
                )
    if not found:
        yield ok("no condition replaces what lightgate sets")


def _holds(block: Block, name: str, expected: str) -> bool:
    if name in _GATEWAYS:
        return block.array(name).get(expected) is not None
    return expected in block.strings(name)


def _origins(facts: Facts) -> Iterator[Finding]:
    """The first entry that fits a request takes it, below the origins' prefix too."""
    configuration = need(facts.configuration)
    origins = [
        key for key, _ in configuration.array("proxy.server").entries if key and key.startswith(ORIGINS)
    ]
    if not origins:
        return
    found = False
    for name in _GATEWAYS:
        for where, value in configuration.places(name):
            for key in _taking(name, value if isinstance(value, Array) else Array(), origins):
                found = True
                inside = f" inside {where}" if where else ""
                yield warning(
                    f'`{name}` "{key}"{inside} takes requests that are for an origin of the policy',
                    f"write {name} for the paths that it serves, after lightgate's file",
                )
    if not found:
        yield ok("nothing else takes what is for the policy's origins")


def _taking(name: str, gateways: Array, origins: list[str]) -> Iterator[str]:
    """The prefixes and endings of other entries that fit what an origin is asked, and do not look for a file
    first."""
    looks = name != "proxy.server"  # unless an entry says otherwise
    for key, hosts in gateways.entries:
        if key in origins:
            return  # what follows is asked later
        if key is None or not isinstance(hosts, Array):
            continue
        fits = ORIGINS.startswith(key) or not key.startswith("/")
        settings = [entry.get("check-local") for _, entry in hosts.entries if isinstance(entry, Array)]
        if fits and not all(looks if setting is None else is_on(setting) for setting in settings):
            yield key


def _is_off(value: Value | None) -> bool:
    return value is not None and not is_on(value)


def _normalization(facts: Facts) -> Iterator[Finding]:
    """Rules see the decoded, normalised path. Everybody behind them must get the same one."""
    options = need(facts.configuration).array("server.http-parseopts")

    def is_off(name: str) -> bool:
        return _is_off(options.get(name))

    def is_set(name: str) -> bool:
        value = options.get(name)
        return value is not None and is_on(value)

    off = [
        name
        for name, instead in (
            ("url-normalize", None),
            ("url-path-dotseg-remove", "url-path-dotseg-reject"),
            ("url-path-2f-decode", "url-path-2f-reject"),
        )
        if is_off(name) and not (instead and is_set(instead))
    ]
    for name in off:
        yield error(
            f"`{name}` is off: applications get another path than the one that rules have judged",
            f'remove "{name}" => "disable" from server.http-parseopts',
        )
    for name in ("url-ctrls-reject", "header-strict", "host-strict"):
        if is_off(name):
            off.append(name)
            yield warning(
                f"`{name}` is off: requests that are none reach rules and applications",
                f'remove "{name}" => "disable" from server.http-parseopts',
            )
    if not off:
        yield ok("requests are normalised before rules see them")


def _lower_case(facts: Facts) -> Iterator[Finding]:
    places = [
        where or "everywhere"
        for where, value in need(facts.configuration).places("server.force-lowercase-filenames")
        if is_on(value)
    ]
    for where in places:
        yield error(
            f"`server.force-lowercase-filenames` is on ({where}): "
            "/ADMIN/ serves what rules for /admin/ guard",
            'remove server.force-lowercase-filenames = "enable"',
        )
    if not places:
        yield ok("names of files keep their case")


def _path_info(facts: Facts) -> Iterator[Finding]:
    """`/page.txt/anything` serves page.txt: rules for exact paths and suffixes miss it."""
    settings, release = facts.settings, need(facts.release)
    if _flag(need(facts.configuration), "server.http-pathinfo") is False:
        yield ok("pages have no longer names (`server.http-pathinfo` is off)")
        return
    if not settings.policy.exists():
        raise UnseenError(f"not looked at: {settings.policy} is not there")
    if hashlib.sha256(settings.policy.read_bytes()).hexdigest() != release.policy_sha256:
        raise UnseenError("not looked at: the policy has changed since the deploy")
    found = [
        diagnostic
        for diagnostic in compile_policy(settings.policy, settings.deployment()).diagnostics
        if diagnostic.code is Code.PATH_INFO_BYPASS
    ]
    for diagnostic in found:
        line = "" if diagnostic.span is None else f":{diagnostic.span.line}"
        yield warning(
            f"{settings.policy}{line}: {diagnostic.message}",
            diagnostic.help or f"lightgate check {settings.policy}",
        )
    if not found:
        yield ok("no rule can be passed by under a page's longer name")


def _authorizer(facts: Facts) -> Iterator[Finding]:
    """The sidecar's entry, which others can change with `:=` or `+=` of the same key."""
    settings = facts.settings
    entry = authorizer(need(facts.configuration))
    if entry is None:
        raise UnseenError("not looked at: there is no entry for the sidecar")
    mend = f"nothing but {settings.current}/lightgate.conf may set fastcgi.server for {AUTHORIZER}"
    wrong = False
    for key, expected in (
        ("mode", "authorizer"),
        ("check-local", "disable"),
        ("socket", str(settings.authorizer_socket)),
    ):
        if entry.get(key) != expected:
            wrong = True
            yield error(f'the sidecar\'s entry has no "{key}" => "{expected}"', mend)
    if entry.get("docroot") is not None:
        wrong = True
        yield error('the sidecar\'s entry has a "docroot": lighttpd answers 404, or crashes', mend)
    if not wrong:
        yield ok("lighttpd asks the sidecar in the right way")


def _read_timeouts(facts: Facts) -> Iterator[Finding]:
    lighttpd, configuration = need(facts.lighttpd), need(facts.configuration)
    if lighttpd.version < _CRASHES_ON_TIMEOUT:
        return
    found = False
    for name in _GATEWAYS:
        for where, value in configuration.places(name):
            for key in _with_read_timeout(value if isinstance(value, Array) else Array()):
                found = True
                inside = f" inside {where}" if where else ""
                yield warning(
                    f'`{name}` "{key}"{inside} has a "read-timeout": '
                    f"lighttpd {lighttpd.version_text} crashes when an answer stops half-way",
                    f'remove "read-timeout" from {name} "{key}"{inside}',
                )
    if not found:
        yield ok("no gateway has a read timeout, which this version of lighttpd may crash on")


def _with_read_timeout(gateways: Array) -> Iterator[str]:
    """The prefixes of entries that have one. Not the sidecar's: it sends each answer whole."""
    for prefix, hosts in gateways.entries:
        if prefix == AUTHORIZER or not isinstance(hosts, Array):
            continue
        entries = [entry for _, entry in hosts.entries if isinstance(entry, Array)]
        if any(entry.get("read-timeout") not in (None, 0) for entry in entries):
            yield prefix or ""


def _forwarded(facts: Facts) -> Iterator[Finding]:
    lighttpd, configuration = need(facts.lighttpd), need(facts.configuration)
    if "mod_extforward" not in configuration.modules or lighttpd.version > _SHARES_FORWARDED_ADDRESS:
        return
    if _flag(configuration, "server.h2proto") is False:
        yield ok("clients behind a front are told apart")
        return
    yield warning(
        f"mod_extforward in lighttpd {lighttpd.version_text} takes all requests of one HTTP/2 connection "
        "for one client's: `request.ip` is wrong behind a front that speaks HTTP/2",
        'let the front speak HTTP/1.1, or server.feature-flags := ( "server.h2proto" => "disable" )',
    )


def _fronts(facts: Facts) -> Iterator[Finding]:
    """Whoever counts as a front says what a client's address is."""
    configuration = need(facts.configuration)
    if "mod_extforward" not in configuration.modules:
        return
    found = False
    for where, value in configuration.places("extforward.forwarder"):
        for name, trust in value.entries if isinstance(value, Array) else ():
            if name is None or not _is_trusted(trust) or not _is_everybody(name):
                continue
            found = True
            inside = f" inside {where}" if where else ""
            yield error(
                f'`extforward.forwarder`{inside} trusts "{name}": every client chooses its `request.ip`, '
                "and may pass for one on this machine",
                'name the front\'s addresses: extforward.forwarder = ( "192.0.2.10" => "trust" )',
            )
    if not found:
        yield ok("only fronts that are named say what a client's address is")


def _is_trusted(value: Value) -> bool:
    return isinstance(value, str) and value.lower() == "trust"


def _is_everybody(name: str) -> bool:
    if name.lower() == "all":
        return True
    try:
        network = ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False
    return network.prefixlen < _WIDEST[network.version]


def _error_handlers(facts: Facts) -> Iterator[Finding]:
    """lighttpd runs one for malformed requests too, whose target no rule has seen."""
    found = False
    for where, value in need(facts.configuration).places("server.error-handler"):
        if not value:
            continue
        found = True
        inside = f" inside {where}" if where else ""
        yield warning(
            f"`server.error-handler`{inside}: for requests that lighttpd itself refuses, "
            "the handler is not run; lightgate answers with their status",
            "server.error-handler-404 is enough for a page of the site's own where nothing is found",
        )
    if not found:
        yield ok("no error handler stands in for refused requests")


def _background_restart(facts: Facts) -> Iterator[Finding]:
    if _flag(need(facts.configuration), "server.graceful-restart-bg"):
        yield warning(
            "`server.graceful-restart-bg` is on: a reload cuts off requests that wait for the sidecar",
            'remove "server.graceful-restart-bg" from server.feature-flags',
        )
    else:
        yield ok("a reload lets requests under way finish")


def _field_size(facts: Facts) -> Iterator[Finding]:
    configuration = need(facts.configuration)
    limit = configuration.integer("server.max-request-field-size")
    size = _DEFAULT_FIELD_BYTES if limit is None else limit
    if size < MAX_TOKEN_BYTES:
        yield warning(
            f"`server.max-request-field-size` is {size}: lighttpd refuses requests with longer tokens (431)",
            f"server.max-request-field-size = {2 * MAX_TOKEN_BYTES}",
        )
    else:
        yield ok(f"header fields may have {size} bytes")


def _chroot(facts: Facts) -> Iterator[Finding]:
    chroot = need(facts.configuration).string("server.chroot")
    if chroot:
        yield warning(
            f"lighttpd runs in {chroot}: scripts, sockets and epoch file must have the same names there",
            "remove server.chroot; the unit's own sandbox does more",
        )


def _flag(configuration: MergedConfig, name: str) -> bool | None:
    """A feature flag; None when it is not set."""
    value = configuration.array("server.feature-flags").get(name)
    return None if value is None else is_on(value)


CHECKS = (
    Check("conditions", _overrides),
    Check("origins", _origins),
    Check("normalisation", _normalization),
    Check("lower case", _lower_case),
    Check("longer names", _path_info),
    Check("sidecar's entry", _authorizer),
    Check("read timeouts", _read_timeouts),
    Check("forwarded addresses", _forwarded),
    Check("fronts", _fronts),
    Check("error handler", _error_handlers),
    Check("reload", _background_restart),
    Check("header size", _field_size),
    Check("chroot", _chroot),
)
