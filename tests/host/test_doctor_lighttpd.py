"""The doctor on lighttpd's configuration: each fault is planted in a real one, read by the real lighttpd."""

from __future__ import annotations

from dataclasses import replace

import pytest

from luagen.host.doctor.facts import Facts
from luagen.host.doctor.finding import Level
from luagen.lighttpd_host import Lighttpd
from tests.host.doctor_at import Found, examine, put_in_force
from tests.host.site import Site, with_issuer

pytestmark = pytest.mark.system

Version = tuple[int, int, int]


@pytest.fixture
def site(site: Site) -> Site:
    """With a release, and nothing that runs."""
    put_in_force(site)
    return site


def with_config(site: Site, *, first: str = "", last: str = "") -> Site:
    """`first` stands before what includes lightgate, `last` ends the configuration."""
    site.extra = last
    site.write_lighttpd_config()
    site.lighttpd_config.write_text(first + "\n" + site.lighttpd_config.read_text())
    return site


def as_version(version: Version) -> object:
    """The installed lighttpd, taken for another version."""

    def pretend(facts: Facts) -> None:
        lighttpd = facts.lighttpd
        assert isinstance(lighttpd, Lighttpd)
        facts.__dict__["lighttpd"] = replace(lighttpd, version=version)

    return pretend


def look(site: Site, *checks: str, version: Version | None = None) -> Found:
    return examine(site, "lighttpd", *checks, prepare=None if version is None else as_version(version))  # type: ignore[arg-type]


def test_nothing_is_wrong(site: Site) -> None:
    found = look(site)
    assert [message for _, message, _ in found.bad] == [
        "lighttpd keeps the user that starts it: no `server.username`"
    ]


# --- modules -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("mod_proxy", "it takes requests before they are decided on: applications see them, and "),
        ("mod_scgi", "it takes requests before "),
        ("mod_ajp13", "it takes requests before "),
        ("mod_wstunnel", "it takes requests before "),
        ("mod_status", "it answers requests that no rule has seen"),
    ],
)
def test_a_module_before_mod_magnet(site: Site, name: str, what: str) -> None:
    level, message, help = look(
        with_config(site, first=f'server.modules += ( "{name}" )'), "module order"
    ).only()
    assert level == "error"
    assert message.startswith(f"{name} stands before mod_magnet in `server.modules`: {what}")
    assert help == (
        f"take {name} out of {site.lighttpd_config} and name it in a file of conf-enabled; "
        "then sudo systemctl restart lighttpd"
    )


def test_where_the_module_is_named_too_early(site: Site) -> None:
    """As on Debian, where file names decide."""
    enabled = site.directory / "conf-enabled"
    ours = enabled / "04-lightgate.conf"
    ours.write_text(f'include "{site.current}/lightgate.conf"\n')
    early = enabled / "02-proxy.conf"
    early.write_text('server.modules += ( "mod_proxy" )\n')
    config = with_config(site, first='server.modules += ( "mod_proxy" )')
    _, _, help = look(config, "module order").only()
    assert help == f"rename {early} so that it sorts after {ours.name}; then sudo systemctl restart lighttpd"


def test_a_proxy_between_mod_magnet_and_mod_fastcgi(site: Site) -> None:
    config = with_config(site, first='server.modules += ( "mod_magnet", "mod_proxy" )')
    level, message, _ = look(config, "module order").only()
    assert level == "error"
    assert message.startswith("mod_proxy stands before mod_fastcgi")


def test_fastcgi_before_magnet(site: Site) -> None:
    level, message, _ = look(
        with_config(site, first='server.modules += ( "mod_fastcgi" )'), "module order"
    ).only()
    assert level == "error"
    assert message.startswith("mod_fastcgi stands before mod_magnet in `server.modules`: applications may ")


@pytest.mark.parametrize("name", ["mod_access", "mod_redirect", "mod_auth", "mod_cgi", "mod_extforward"])
def test_modules_that_may_come_first(site: Site, name: str) -> None:
    assert look(with_config(site, first=f'server.modules += ( "{name}" )'), "module order").bad == []


def test_a_proxy_that_comes_later(site: Site) -> None:
    assert look(with_config(site, last='server.modules += ( "mod_proxy" )'), "module order").bad == []


def test_lightgate_is_not_included(site: Site) -> None:
    (site.directory / "conf-enabled" / "04-lightgate.conf").write_text("")
    found = look(site, "lightgate included", "module order", "sidecar's entry")
    assert [(level, message.split(":")[0]) for level, message, _ in found.bad] == [
        ("error", f"`magnet.attract-raw-url-to` does not name {site.current}/request.lua"),
        ("error", f"`magnet.attract-response-start-to` does not name {site.current}/response.lua"),
        ("error", "`fastcgi.server` has no entry for /.lightgate/authorize"),
        ("error", "`server.modules` has no mod_magnet and no mod_fastcgi"),
    ]
    assert found.bad[0][2].startswith(f'put include "{site.current}/lightgate.conf" before every other line')


def test_on_debian_the_include_is_enabled(site: Site) -> None:
    (site.directory / "conf-enabled" / "04-lightgate.conf").write_text("")
    (site.directory / "conf-available").mkdir()
    enable = "sudo lighty-enable-mod lightgate && sudo systemctl reload lighttpd"
    assert {help for _, _, help in look(site, "lightgate included").bad} == {enable}
    # lighttpd would not start with the include of a release that is not there
    site.current.unlink()
    assert {help for _, _, help in look(site, "lightgate included").bad} == {
        f"sudo lightgate deploy --offline; then {enable}"
    }


def test_a_script_that_is_named_twice(site: Site) -> None:
    config = with_config(site, last=f'magnet.attract-raw-url-to += ( "{site.current}/request.lua" )')
    level, message, help = look(config, "lightgate included").only()
    assert (level, message) == (
        "error",
        f"`magnet.attract-raw-url-to` names {site.current}/request.lua 2 times: "
        "each request is judged 2 times",
    )
    assert help.startswith(f"include {site.current}/lightgate.conf once")


def test_another_script_first(site: Site) -> None:
    config = with_config(
        site, first='server.modules += ( "mod_magnet" )\nmagnet.attract-raw-url-to += ( "/srv/x.lua" )'
    )
    level, message, _ = look(config, "other scripts").only()
    assert (level, message) == (
        "warning",
        "the Lua script /srv/x.lua runs before lightgate: no rule decides about what it answers",
    )


def test_another_script_later(site: Site) -> None:
    config = with_config(site, last='magnet.attract-raw-url-to += ( "/srv/x.lua" )')
    assert look(config, "other scripts").bad == []


def test_whole_connections(site: Site) -> None:
    config = with_config(
        site,
        last='server.modules += ( "mod_sockproxy" )\n'
        '$SERVER["socket"] == "127.0.0.1:2" {\n'
        '  sockproxy.server = ( "" => (( "host" => "127.0.0.1", "port" => 3 )) )\n}',
    )
    level, message, help = look(config, "whole connections").only()
    assert level == "warning"
    assert '$SERVER["socket"] == "127.0.0.1:2"' in message
    assert help == "use mod_proxy for what the policy is to guard"


# --- conditions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "name", "effect"),
    [
        ('magnet.attract-raw-url-to = ( "/srv/x.lua" )', "magnet.attract-raw-url-to", "no rule is asked"),
        (
            'magnet.attract-response-start-to = ( "/srv/x.lua" )',
            "magnet.attract-response-start-to",
            "responses that nobody decided on are not held back",
        ),
        (
            'fastcgi.server = ( ".php" => (( "host" => "127.0.0.1", "port" => 9 )) )',
            "fastcgi.server",
            "all that needs the sidecar is a 404",
        ),
    ],
)
@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ('$HTTP["host"] == "a.example" {\n', "\n}", '$HTTP["host"] == "a.example"'),
        (
            '$HTTP["host"] == "a" {\n$HTTP["url"] =^ "/x" {\n',
            "\n}\n}",
            '$HTTP["host"] == "a", $HTTP["url"] =^ "/x"',
        ),
        ('$HTTP["host"] == "a" {\n} else {\n', "\n}", "else"),
    ],
)
def test_a_condition_that_replaces(
    site: Site, line: str, name: str, effect: str, before: str, after: str, where: str
) -> None:
    assert look(with_config(site, last=before + line + after), "conditions").only() == (
        "error",
        f"{where} replaces `{name}`: {effect} there",
        f"write {name} += instead of {name} = inside {where}",
    )


def test_a_condition_that_replaces_origins(site: Site) -> None:
    entry = '"%s" => (( "host" => "127.0.0.1", "port" => 9 ))'
    origins = f"proxy.server += ( {entry % '/.lightgate/origin/shop/'} )\n"
    plain = f'$HTTP["host"] == "a" {{\nproxy.server = ( {entry % "/x/"} )\n}}'
    assert look(with_config(site, last=origins + plain), "conditions").only() == (
        "error",
        '$HTTP["host"] == "a" replaces `proxy.server`: what is for an origin of the policy goes astray there',
        'write proxy.server += instead of proxy.server = inside $HTTP["host"] == "a"',
    )
    assert look(with_config(site, last=origins + plain.replace(" = ", " += ")), "conditions").bad == []
    assert look(with_config(site, last=plain), "conditions").bad == []


def test_a_condition_that_adds(site: Site) -> None:
    added = (
        '$HTTP["host"] == "a" {\nmagnet.attract-raw-url-to += ( "/srv/x.lua" )\n'
        'fastcgi.server += ( ".php" => (( "host" => "127.0.0.1", "port" => 9 )) )\n}'
    )
    assert look(with_config(site, last=added), "conditions").bad == []


# --- settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "level"),
    [
        ("url-normalize", "error"),
        ("url-path-dotseg-remove", "error"),
        ("url-path-2f-decode", "error"),
        ("url-ctrls-reject", "warning"),
        ("header-strict", "warning"),
        ("host-strict", "warning"),
    ],
)
def test_requests_that_are_not_normalised(site: Site, option: str, level: str) -> None:
    config = with_config(site, last=f'server.http-parseopts = ( "{option}" => "disable" )')
    found, message, help = look(config, "normalisation").only()
    assert found == level
    assert message.startswith(f"`{option}` is off: ")
    assert help == f'remove "{option}" => "disable" from server.http-parseopts'


def test_to_refuse_is_as_good_as_to_normalise(site: Site) -> None:
    config = with_config(
        site,
        last='server.http-parseopts = ( "url-path-dotseg-remove" => "disable", '
        '"url-path-dotseg-reject" => "enable", "url-path-2f-decode" => "disable", '
        '"url-path-2f-reject" => "enable" )',
    )
    assert look(config, "normalisation").bad == []


def test_debians_own_options(site: Site) -> None:
    config = with_config(
        site,
        last='server.http-parseopts = ( "header-strict" => "enable", "host-strict" => "enable", '
        '"host-normalize" => "enable", "url-normalize-unreserved" => "enable", '
        '"url-normalize-required" => "enable", "url-ctrls-reject" => "enable", '
        '"url-path-2f-decode" => "enable", "url-path-dotseg-remove" => "enable" )',
    )
    assert look(config, "normalisation").bad == []


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ('server.force-lowercase-filenames = "enable"', "everywhere"),
        (
            '$HTTP["host"] == "a" {\n  server.force-lowercase-filenames = "enable"\n}',
            '$HTTP["host"] == "a"',
        ),
    ],
)
def test_lower_case(site: Site, lines: str, where: str) -> None:
    assert look(with_config(site, last=lines), "lower case").only() == (
        "error",
        f"`server.force-lowercase-filenames` is on ({where}): /ADMIN/ serves what rules for /admin/ guard",
        'remove server.force-lowercase-filenames = "enable"',
    )


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ('"docroot" => "/"', 'the sidecar\'s entry has a "docroot": lighttpd answers 404, or crashes'),
        ('"mode" => "responder"', 'the sidecar\'s entry has no "mode" => "authorizer"'),
        ('"check-local" => "enable"', 'the sidecar\'s entry has no "check-local" => "disable"'),
        ('"socket" => "/tmp/x"', 'the sidecar\'s entry has no "socket" => "{run}/authorizer.sock"'),
    ],
)
def test_the_sidecars_entry_changed(site: Site, key: str, message: str) -> None:
    values = {
        "socket": f'"socket" => "{site.directory}/run/authorizer.sock"',
        "mode": '"mode" => "authorizer"',
        "check-local": '"check-local" => "disable"',
    }
    values[key.split('"')[1]] = key
    entry = ", ".join(values.values())
    last = f'fastcgi.server := ( "/.lightgate/authorize" => ( "lightgate" => ( {entry} ) ) )'
    level, said, help = look(with_config(site, last=last), "sidecar's entry").only()
    assert (level, said) == ("error", message.format(run=f"{site.directory}/run"))
    assert help.startswith("nothing but ")


ORIGIN = 'proxy.server += ( "/.lightgate/origin/shop/" => (( "host" => "127.0.0.1", "port" => 9 )) )\n'
OTHER = '(( "host" => "127.0.0.1", "port" => 9%s ))'
UNASKED = OTHER % ', "check-local" => "disable"'


@pytest.mark.parametrize(
    ("name", "key", "entry"),
    [
        ("fastcgi.server", "/", UNASKED),
        ("fastcgi.server", ".php", UNASKED),
        ("scgi.server", "/.lightgate/", UNASKED),
        ("proxy.server", "/", OTHER % ""),
    ],
)
def test_an_entry_that_takes_what_is_for_an_origin(site: Site, name: str, key: str, entry: str) -> None:
    modules = 'server.modules += ( "mod_proxy", "mod_scgi" )\n'
    other = f'{name} += ( "{key}" => {entry} )\n'
    assert look(with_config(site, last=modules + other + ORIGIN), "origins").only() == (
        "warning",
        f'`{name}` "{key}" takes requests that are for an origin of the policy',
        f"write {name} for the paths that it serves, after lightgate's file",
    )
    assert look(with_config(site, last=modules + other), "origins").findings == ()


@pytest.mark.parametrize(
    "other",
    [
        f'fastcgi.server += ( "/" => {OTHER % ""}, ".php" => {OTHER % ""}, "/app/" => {UNASKED} )\n',
        f'proxy.server += ( "/app/" => {OTHER % ""} )\n',
    ],
)
def test_entries_that_leave_origins_alone(site: Site, other: str) -> None:
    modules = 'server.modules += ( "mod_proxy" )\n'
    later = f'proxy.server += ( "/" => {OTHER % ""} )\n'
    assert look(with_config(site, last=modules + other + ORIGIN + later), "origins").bad == []


PROXY = (
    'server.modules += ( "mod_proxy" )\n$HTTP["host"] == "a" {\n'
    'proxy.server = ( "/app/" => (( "host" => "127.0.0.1", "port" => 9, "read-timeout" => 30 )) )\n}'
)


@pytest.mark.parametrize("version", [(1, 4, 85), (1, 4, 86)])
def test_a_read_timeout_that_crashes(site: Site, version: Version) -> None:
    name = ".".join(map(str, version))
    assert look(with_config(site, last=PROXY), "read timeouts", version=version).only() == (
        "warning",
        f'`proxy.server` "/app/" inside $HTTP["host"] == "a" has a "read-timeout": '
        f"lighttpd {name} crashes when an answer stops half-way",
        'remove "read-timeout" from proxy.server "/app/" inside $HTTP["host"] == "a"',
    )


def test_a_read_timeout_that_does_not(site: Site) -> None:
    assert look(with_config(site, last=PROXY), "read timeouts", version=(1, 4, 82)).findings == ()
    assert look(with_config(site), "read timeouts", version=(1, 4, 85)).bad == []


def test_one_address_for_a_whole_connection(site: Site) -> None:
    config = with_config(site, last='server.modules += ( "mod_extforward" )')
    level, message, _ = look(config, "forwarded addresses", version=(1, 4, 69)).only()
    assert (level, message[:31]) == ("warning", "mod_extforward in lighttpd 1.4.")
    assert look(config, "forwarded addresses", version=(1, 4, 70)).findings == ()
    without_h2 = with_config(
        site,
        last='server.modules += ( "mod_extforward" )\n'
        'server.feature-flags += ( "server.h2proto" => "disable" )',
    )
    assert look(without_h2, "forwarded addresses", version=(1, 4, 69)).bad == []


@pytest.mark.parametrize(
    ("forwarder", "trusted"),
    [
        ('"all" => "trust"', "all"),
        ('"127.0.0.1" => "trust", "ALL" => "Trust"', "ALL"),
        ('"0.0.0.0/0" => "trust"', "0.0.0.0/0"),
        ('"128.0.0.0/1" => "trust"', "128.0.0.0/1"),
        ('"::/0" => "trust"', "::/0"),
    ],
)
def test_everybody_is_a_front(site: Site, forwarder: str, trusted: str) -> None:
    lines = f'server.modules += ( "mod_extforward" )\nextforward.forwarder = ( {forwarder} )'
    level, message, help = look(with_config(site, last=lines), "fronts").only()
    assert (level, message) == (
        "error",
        f'`extforward.forwarder` trusts "{trusted}": every client chooses its `request.ip`, '
        "and may pass for one on this machine",
    )
    assert help.startswith("name the front's addresses")


def test_everybody_is_a_front_inside_a_condition(site: Site) -> None:
    lines = (
        'server.modules += ( "mod_extforward" )\n'
        '$HTTP["host"] == "a" {\nextforward.forwarder = ( "all" => "trust" )\n}'
    )
    _, message, _ = look(with_config(site, last=lines), "fronts").only()
    assert message.startswith('`extforward.forwarder` inside $HTTP["host"] == "a" trusts "all"')


@pytest.mark.parametrize(
    "forwarder",
    ['"all" => "untrusted"', '"192.0.2.1" => "trust"', '"10.0.0.0/8" => "trust", "fc00::/7" => "trust"', ""],
)
def test_fronts_that_are_named(site: Site, forwarder: str) -> None:
    lines = f'server.modules += ( "mod_extforward" )\nextforward.forwarder = ( {forwarder} )'
    found = look(with_config(site, last=lines), "fronts")
    assert (found.bad, len(found.findings)) == ([], 1)
    without_module = with_config(site, last='extforward.forwarder = ( "all" => "trust" )')
    assert look(without_module, "fronts").findings == ()


@pytest.mark.parametrize(
    ("before", "after", "inside"),
    [("", "", ""), ('$HTTP["host"] == "a" {\n', "\n}", ' inside $HTTP["host"] == "a"')],
)
def test_an_error_handler(site: Site, before: str, after: str, inside: str) -> None:
    lines = f'{before}server.error-handler = "/error.php"{after}'
    level, message, _ = look(with_config(site, last=lines), "error handler").only()
    assert (level, message) == (
        "warning",
        f"`server.error-handler`{inside}: for requests that lighttpd itself refuses, "
        "the handler is not run; lightgate answers with their status",
    )


def test_a_handler_for_what_is_not_found(site: Site) -> None:
    lines = 'server.error-handler-404 = "/404.html"'
    assert look(with_config(site, last=lines), "error handler").bad == []


def test_a_reload_that_cuts_off(site: Site) -> None:
    config = with_config(site, last='server.feature-flags += ( "server.graceful-restart-bg" => "enable" )')
    assert look(config, "reload").only() == (
        "warning",
        "`server.graceful-restart-bg` is on: a reload cuts off requests that wait for the sidecar",
        'remove "server.graceful-restart-bg" from server.feature-flags',
    )


def test_header_fields_too_small_for_tokens(site: Site) -> None:
    assert look(with_config(site, last="server.max-request-field-size = 4096"), "header size").only() == (
        "warning",
        "`server.max-request-field-size` is 4096: lighttpd refuses requests with longer tokens (431)",
        "server.max-request-field-size = 16384",
    )


def test_a_page_with_longer_names(site: Site) -> None:
    policy = with_issuer("https://login.example.org", secret="x").replace(
        'request.path.startswith("/members/")', 'request.path == "/page.txt"'
    )
    put_in_force(site, policy)
    assert look(site, "longer names").only()[:2] == (
        "warning",
        f"{site.policy_file}:16: the protected path is also served under longer names",
    )
    off = with_config(site, last='server.feature-flags += ( "server.http-pathinfo" => "disable" )')
    assert look(off, "longer names").bad == []


# --- the server --------------------------------------------------------------------------------------


def test_a_configuration_with_mistakes(site: Site) -> None:
    config = with_config(site, last="fastcgi.server = ()")
    found = look(config, "configuration", "module order")
    level, message, help = found.only()
    assert level == "error"
    assert message.startswith("lighttpd cannot read its configuration: Duplicate config variable")
    assert help.startswith(f"lighttpd -tt -f {site.lighttpd_config} says everything")
    assert len(found.messages(Level.UNSEEN)) == 1


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ('server.modules += ( "mod_nothing" )', "dlopen() failed for: "),
        (
            'server.modules += ( "mod_proxy" )\n'
            'proxy.server = ( "" => (( "host" => "no.name.invalid", "port" => 1 )) )',
            "getaddrinfo failed: ",
        ),
    ],
)
def test_what_only_the_modules_refuse(site: Site, last: str, reason: str) -> None:
    (found,) = look(with_config(site, last=last), "configuration").findings
    assert found.level in (Level.ERROR, Level.UNSEEN)  # as root, and as somebody else
    assert found.message.startswith(f"lighttpd refuses {site.lighttpd_config}")
    assert f": {reason}" in found.message


def test_no_lighttpd(site: Site) -> None:
    site.configure(lighttpd="/nowhere/lighttpd")
    found = look(site)
    assert found.only()[:2] == ("error", "no lighttpd at `/nowhere/lighttpd`")
    assert all(finding.level is not Level.OK for finding in found.findings)


def test_another_user_than_the_host_file_says(site: Site) -> None:
    config = with_config(site, last='server.username = "games"')
    assert look(config, "user").only() == (
        "error",
        "lighttpd runs as `games`, and lightgate takes `www-data` for its user",
        'set lighttpd_user = "games" in the host file',
    )
