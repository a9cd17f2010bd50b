"""`lightgate dev`: a policy running in a real lighttpd with a real sidecar, in the foreground, without root.

`session` starts and ends everything; the other modules each know one thing: `rundir` the private directory,
`children` the processes, `configuration` lighttpd's settings, `provider` the identity provider, `trace` the
line for each request, `watch` changed files, `suggest` the requests to try.
"""
