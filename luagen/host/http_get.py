"""One GET request to a server of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    fields: Mapping[str, str]  # names in lower case
    body: bytes = field(default=b"", repr=False)


async def get(
    url: str,
    *,
    timeout_s: float,
    socket: Path | None = None,
    source: str | None = None,
    verify: bool = True,
    body_bytes: int = 0,
) -> Answer:
    """The answer to GET `url`; redirects are not followed, the first `body_bytes` of the body are read.

    `socket`: a Unix socket instead of the URL's address. `source`: the address to connect from. `verify`: the
    certificate of an https URL. Raises OSError when nobody answers like an HTTP server.
    """
    import aiohttp  # takes a quarter of a second, which commands that ask nobody need not spend

    connector: aiohttp.BaseConnector
    if socket is not None:
        connector = aiohttp.UnixConnector(str(socket))
    else:
        connector = aiohttp.TCPConnector(ssl=verify, local_addr=None if source is None else (source, 0))
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            fields = {name.lower(): value for name, value in answer.headers.items()}
            # A read of the stream returns what has come; the end of the body is an empty one.
            body = bytearray()
            while len(body) < body_bytes and (part := await answer.content.read(body_bytes - len(body))):
                body += part
            return Answer(answer.status, fields, bytes(body))
    except TimeoutError as error:
        raise TimeoutError(f"no answer within {timeout_s:.0f} s") from error
    except aiohttp.ClientOSError:
        raise
    except (aiohttp.ClientError, ValueError) as error:
        raise OSError(f"no HTTP answer: {error}") from error
