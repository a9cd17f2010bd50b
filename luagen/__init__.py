"""lightgate's compiler: a policy file in, a release for lighttpd and sidecar out.

    compilation = compile_policy(Path("lightgate.toml"), Deployment())
    if compilation.release is not None:
        write_release(compilation.release, Path("/var/lib/lightgate/releases"))

Mistakes in a policy are values (`Compilation.diagnostics`); only what is no mistake of its author raises.
"""

from luagen.compilation import Compilation, compile_policy
from luagen.deployment import Deployment
from luagen.diagnostics import Diagnostic
from luagen.model import Policy
from luagen.release import Release, activate, write_release

__all__ = [
    "Compilation",
    "Deployment",
    "Diagnostic",
    "Policy",
    "Release",
    "activate",
    "compile_policy",
    "write_release",
]
