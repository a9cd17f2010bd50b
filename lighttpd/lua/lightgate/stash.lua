-- stash.lua: keeps a request body in memory while its request is deferred.
--
-- Up to lighttpd 1.4.76 a body that is already buffered goes to the authorizer and is lost to the origin; over
-- HTTP/2 that is the rule rather than the exception. So the body is taken out before the deferral and put back
-- after it. A request that the sidecar refuses never comes back, hence the expiry.

local MAX_BYTES = 64 * 1024 * 1024 -- of all bodies together; more is refused, not queued
local MAX_AGE_S = 30 -- a deferral ends within lighttpd's read timeout, some 12 s

local M = {}


function M.new()
  local bodies, times, total = {}, {}, 0
  local stash = {}

  local function drop(key)
    total = total - #bodies[key]
    bodies[key], times[key] = nil, nil
  end

  -- Keeps a body under a key; false when there is no room for it.
  function stash.put(key, body, now)
    for old, time in pairs(times) do
      if now - time > MAX_AGE_S then
        drop(old)
      end
    end
    if total + #body > MAX_BYTES then
      return false
    end
    bodies[key], times[key] = body, now
    total = total + #body
    return true
  end

  -- The body kept under a key, which is then forgotten; nil when there is none.
  function stash.take(key)
    local body = bodies[key]
    if body then
      drop(key)
    end
    return body
  end

  -- Whether a body of this many bytes can ever be kept.
  function stash.fits(bytes)
    return bytes <= MAX_BYTES
  end

  return stash
end


return M
