"""The small pools that literals of policies and values of requests come from alike, so that comparisons hold
about as often as not."""

from __future__ import annotations

PATHS = ("/", "/a", "/a/", "/a/b", "/members/", "/members/x.php", "/ü/", "/a b", "/.git/x", '/q"\\', "/a%b")
RESERVED = (
    "/.lightgate",
    "/.lightgate/",
    "/.lightgate/x",
    "/.lightgate/health",
    "/.lightgate/status",
    "/.lightgate2",
)
TEXTS = (
    *("", "a", "b", "ab", "/", "/a/", ".php", "GET", "POST", "https", "admin", "dev", "alice", "corp"),
    *("ü", "a b", "it's", '"', "\\", "\\n", "x=1&y", "%41", "{x}", "www.example.org", "example.org"),
)
HOSTS = ("www.example.org", "example.org", "api.example.org:8443", "[2001:db8::1]:443", "")
ADDRESSES = ("192.0.2.7", "10.1.2.3", "127.0.0.1", "2001:db8::1", "::1", "::ffff:10.1.2.3")
NETWORKS = ("10.0.0.0/8", "192.0.2.0/24", "192.0.2.7", "127.0.0.0/8", "::1", "2001:db8::/32", "0.0.0.0/0")
HEADERS = ("x-a", "x-b", "accept", "user-agent")
KEYS = ("a", "k", "x y")
COOKIES = ("s", "t")
ROLES = ("admin", "dev", "a b", "ü")
COUNTRIES = ("DE", "FR", "")
VERSIONS = ("1.0", "1.1", "2")
TLS = ("protocol", "cipher", "client_verify")
NUMBERS = ("7", "12", "-3", "007", "1_0", "", "x", "999999999999999", "1000000000000000")
# Thursday, noon; the last second of a year; a leap day, at night
TIMES = (1_767_268_800, 1_767_225_599, 1_709_164_800, 1_782_864_000)
PATTERNS = (
    "^/a",
    "a|b",
    r"^/(?:a|members)/[^/]*$",
    r"[0-9]+",
    "(?i)ADMIN",
    r"\.php$",
    "^$",
    "a.b",
    "ü",
    r"(?:ab)*x?$",
)
GROUP_PATTERNS = (
    r"^/(?P<top>[^/]*)/(?P<rest>.*)$",
    r"(?P<top>[a-z]+)",
    r"^/(?P<top>a|members)(?P<rest>/[a-z.]*)?",
    r"(?P<top>^)(?P<rest>b?)",
)
GLOBS = ("/a/*", "/**", "/**/x.php", "/?", "/a*", "/[am]*", "/{a,members}/**", "*", "/a/**")
SPECS_STRING = ("", ">10", "<3", "^7", "*^5", ".2", "-<8.3")
SPECS_INTEGER = ("", "05", "x", "b", "o", "X", ",", "8", "08,")
SITES = ("www.example.org", "*.example.org", "example.org", "*", "[2001:db8::1]", "*.org")

REQUEST_FIELDS_SET = ("X-User", "X-A", "User-Agent", "Accept", "X_Up")
VARIABLES_SET = ("APP_USER", "APP_A", "LIGHTGATE_ROLES")
RULE_NAMES = ("rule {}", "rule {} ü€", 'rule "{}"', "rule \\{}\\")
# Some of them belong to the answer, and go with it when another one stands in for it.
ORIGIN_FIELDS = (
    *("X-Origin", "X-R", "Server", "Strict-Transport-Security", "Access-Control-Allow-Methods"),
    *("Accept-Ranges", "Age", "Allow", "Cache-Control", "Clear-Site-Data", "Content-Digest"),
    *("Content-Disposition", "Content-Encoding", "Content-Language", "Content-Location", "Content-MD5"),
    *("Content-Range", "Content-Type", "Digest", "ETag", "Expires", "Last-Modified", "Link", "Location"),
    *("Refresh", "Repr-Digest", "Retry-After", "Set-Cookie", "Trailer", "WWW-Authenticate", "X-Sendfile"),
)
RESPONSE_FIELDS_SET = ("X-R", "X-Origin", "Cache-Control", "Content-Type")
