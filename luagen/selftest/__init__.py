"""`lightgate selftest`: a real generated release in the installed lighttpd, with an authorizer that is broken
on purpose.

lighttpd lets a request through when an authorizer ends without a status. Whether the generated Lua catches
that, on this version and this build, is not something to believe: `modes` lists the ways to be broken,
`authorizer` plays them, `stand` is one lighttpd under test, `run` asks and judges.
"""
