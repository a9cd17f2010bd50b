"""The images that the suite builds, each named by the content that it is made of.

An image that is there is used; when its content changes it is built anew and its predecessor is removed. They
outlive a session: `docker image prune --all --filter label=org.lightgate.test.image` takes them away.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from docker.errors import APIError, BuildError, ImageNotFound

from tests.docker.engine import Engine
from tests.docker.tree import archive
from tests.docker.trust import machine_authorities
from tests.system.identity_provider import DIRECTORY as PROVIDER_DIRECTORY
from tests.system.identity_provider import install as install_provider
from tests.system.processes import REPOSITORY

IMAGE_LABEL = "org.lightgate.test.image"
DIRECTORY = Path(__file__).with_name("images")

#: what the services of a session run on: Debian 12 has the Node.js that the provider needs
SERVICES_SUITE = "bookworm"


def host_image(engine: Engine, suite: str) -> str:
    """A machine with systemd, lighttpd and a site, before lightgate; returns the image's name."""
    engine.base_image(suite)
    return _built(
        engine, "host", suite, {**_files(DIRECTORY / "host"), **_site(), "trust.pem": machine_authorities()}
    )


def services_image(engine: Engine) -> str:
    """The identity provider and the proxied application; returns the image's name."""
    engine.base_image(SERVICES_SUITE)
    install_provider()
    provider = _files(PROVIDER_DIRECTORY, under="tests/identity_provider")
    origins = _files(REPOSITORY / "tests" / "origins", under="tests/origins")
    content = {**_files(DIRECTORY / "services"), **provider, **origins, "tests/__init__.py": b""}
    return _built(engine, "services", SERVICES_SUITE, content)


def packager_image(engine: Engine, suite: str, base: str) -> str:
    """A host of this release on which the package can be built; it does nothing by itself."""
    return _built(engine, "packager", suite, _files(DIRECTORY / "packager"), base)


def system_suite_image(engine: Engine, suite: str, base: str) -> str:
    """A host of this release on which the system suite can run; it does nothing by itself."""
    project = {"pyproject.toml": (REPOSITORY / "pyproject.toml").read_bytes()}
    return _built(engine, "tester", suite, {**_files(DIRECTORY / "tester"), **project}, base)


def commit(engine: Engine, container: object, kind: str, suite: str, digest: str) -> str:
    """Keeps the state of a container as an image of `kind`, in place of earlier ones."""
    name = _name(kind, suite, digest)
    repository, _, tag = name.partition(":")
    label = f'LABEL {IMAGE_LABEL}="{kind}-{suite}"'
    container.commit(repository, tag, changes=[label])  # type: ignore[attr-defined]
    _remove_others(engine, kind, suite, name)
    return name


def cached(engine: Engine, kind: str, suite: str, digest: str) -> str | None:
    """The name of the image of this content, when it is there."""
    name = _name(kind, suite, digest)
    try:
        engine.client.images.get(name)
    except ImageNotFound:
        return None
    return name


def digest_of(*parts: bytes | str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def _name(kind: str, suite: str, digest: str) -> str:
    return f"lightgate-test/{kind}-{suite}:{digest}"


def _built(engine: Engine, kind: str, suite: str, content: Mapping[str, bytes], base: str = "") -> str:
    """Builds a Dockerfile and its context upon `base`, or upon the release's Debian, unless that was done."""
    base = base or f"debian:{suite}-slim"
    context = archive(content)
    digest = digest_of(engine.client.images.get(base).id, context)
    if (name := cached(engine, kind, suite, digest)) is not None:
        return name
    name = _name(kind, suite, digest)
    try:
        engine.client.images.build(
            fileobj=io.BytesIO(context),
            custom_context=True,
            tag=name,
            buildargs={"SUITE": suite, "BASE": base},
            labels={IMAGE_LABEL: f"{kind}-{suite}"},
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        said = "".join(str(line.get("stream", "")) for line in error.build_log)
        raise AssertionError(f"{name} was not built: {error}\n{said[-8000:]}") from error
    _remove_others(engine, kind, suite, name)
    return name


def _remove_others(engine: Engine, kind: str, suite: str, name: str) -> None:
    for image in engine.client.images.list(filters={"label": f"{IMAGE_LABEL}={kind}-{suite}"}):
        if name not in image.tags:
            with suppress(APIError):  # in use by another session, or by an image made from it
                engine.client.images.remove(image.id)


def _site() -> dict[str, bytes]:
    """The pages of tests/system/gate.py, once open to all and once for members."""
    pages = {"site/index.html": b"<!doctype html><title>the site</title>\n"}
    for area in ("public", "members"):
        pages[f"site/{area}/page.txt"] = f"the {area} page\n".encode()
        pages[f"site/{area}/admin/page.txt"] = f"the {area} admin page\n".encode()
        pages[f"site/{area}/echo.php"] = (REPOSITORY / "tests" / "origins" / "echo.php").read_bytes()
    return pages


def _files(root: Path, under: str = "") -> dict[str, bytes]:
    """Path inside a build context to content, of every file below a directory."""
    paths = sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(Path(under, path.relative_to(root))): path.read_bytes() for path in paths}
