-- stash.lua: keeps a request body in memory while its request is deferred.
--
-- Up to lighttpd 1.4.76 a body that is already buffered goes to the authorizer and is lost to the origin; over
-- HTTP/2 that is the rule rather than the exception. So the body is taken out before the deferral and put back
-- after it. A request that the sidecar refuses never comes back, hence the expiry.

local MAX_BYTES = 64 * 1024 * 1024 -- of all bodies together; more is refused, not queued
local MAX_BODY_BYTES = 32 * 1024 * 1024 -- of one, so that one client cannot have it all
local MAX_BODIES = 1024
local MAX_AGE_S = 15 -- a deferral ends within lighttpd's read timeout, some 12 s

local M = {}


function M.new()
  local bodies, total, count = {}, 0, 0 -- by key
  local keys, times = {}, {} -- in order of arrival, from `oldest` to `newest`
  local oldest, newest = 1, 0
  local stash = {}

  local function drop(key)
    local body = bodies[key]
    if body then
      bodies[key] = nil
      total, count = total - #body, count - 1
    end
    return body
  end

  -- Bodies arrive in order, so those that are too old are at the front: no walk over all of them.
  local function expire(now)
    while oldest <= newest and (now - times[oldest] > MAX_AGE_S or not bodies[keys[oldest]]) do
      drop(keys[oldest])
      keys[oldest], times[oldest] = nil, nil
      oldest = oldest + 1
    end
  end

  -- Keeps a body under a key; false when there is no room for it.
  function stash.put(key, body, now)
    expire(now)
    if total + #body > MAX_BYTES or count == MAX_BODIES then
      return false
    end
    newest = newest + 1
    keys[newest], times[newest] = key, now
    bodies[key] = body
    total, count = total + #body, count + 1
    return true
  end

  -- The body kept under a key, which is then forgotten; nil when there is none.
  stash.take = drop

  -- Whether a body of this many bytes can ever be kept.
  function stash.fits(bytes)
    return bytes <= MAX_BODY_BYTES
  end

  return stash
end


return M
