-- operator.lua: pages for whoever runs this server, under the reserved prefix and for clients on this machine only.
--
-- To everybody else they do not exist. `/.lightgate/health` is handed to the sidecar, whose answer proves the whole way;
-- `/.lightgate/status` is answered here, for the worker process that got the request.

local find, format = string.find, string.format
local tostring, _VERSION = tostring, _VERSION

local M = {
  HEALTH = "/.lightgate/health",
  STATUS = "/.lightgate/status",
}

local VERDICTS = '{"entries":%d,"hits":%d,"misses":%d,"flushes":%d}'


-- Whether the client is on this machine. A front on this machine passes its clients' addresses on with mod_extforward;
-- without, they are all taken for local, and learn the release's id and these few figures.
function M.is_local(address)
  return address ~= nil
    and (find(address, "127.", 1, true) == 1 or address == "::1" or find(address, "::ffff:127.", 1, true) == 1)
end


-- The document of the status page. `patch` is lighttpd's release (1.4.patch), `verdicts` the cache's figures or nil.
function M.status(release, patch, verdicts)
  local cache = verdicts and format(VERDICTS, verdicts.entries, verdicts.hits, verdicts.misses, verdicts.flushes)
  return format(
    '{"release":"%s","lighttpd":"1.4.%d","lua":"%s","verdicts":%s}\n',
    release, patch, tostring(_VERSION), cache or "null"
  )
end


return M
