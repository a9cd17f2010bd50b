"""What each field of the vocabulary is in IR."""

from __future__ import annotations

from luagen import ir
from luagen.model import Type

REQUEST_FIELDS = {
    "request.method": ir.RequestField.METHOD,
    "request.host": ir.RequestField.HOST,
    "request.path": ir.RequestField.PATH,
    "request.raw_path": ir.RequestField.RAW_PATH,
    "request.query": ir.RequestField.QUERY,
    "request.scheme": ir.RequestField.SCHEME,
    "request.port": ir.RequestField.PORT,
    "request.ip": ir.RequestField.ADDRESS,
    "request.http_version": ir.RequestField.HTTP_VERSION,
    "request.content_length": ir.RequestField.CONTENT_LENGTH,
    "request.country": ir.RequestField.COUNTRY,
    "now": ir.RequestField.NOW,
    "time.year": ir.RequestField.YEAR,
    "time.month": ir.RequestField.MONTH,
    "time.day": ir.RequestField.DAY,
    "time.weekday": ir.RequestField.WEEKDAY,
    "time.hour": ir.RequestField.HOUR,
    "time.minute": ir.RequestField.MINUTE,
    "time.minute_of_day": ir.RequestField.MINUTE_OF_DAY,
}

# What lighttpd's TLS modules (openssl, gnutls, mbedtls) call it; 1.4.69 to 1.4.85 set the same.
TLS_VARIABLES = {
    "request.tls.protocol": b"SSL_PROTOCOL",
    "request.tls.cipher": b"SSL_CIPHER",
    "request.tls.client_verify": b"SSL_CLIENT_VERIFY",
    "request.tls.client_subject": b"SSL_CLIENT_S_DN",
    "request.tls.client_serial": b"SSL_CLIENT_M_SERIAL",
}

IDENTITY_FIELDS = {
    "identity.sub": ir.Member.SUB,
    "identity.email": ir.Member.EMAIL,
    "identity.provider": ir.Member.PROVIDER,
}

MAPS = {
    "request.headers": ir.Source.HEADER,
    "request.args": ir.Source.ARG,
    "request.cookies": ir.Source.COOKIE,
}

KINDS = {
    Type.STRING: ir.Kind.STRING,
    Type.INTEGER: ir.Kind.INTEGER,
    Type.BOOLEAN: ir.Kind.BOOLEAN,
    Type.STRINGS: ir.Kind.STRINGS,
}
