-- limits.lua: token buckets, so many requests of one kind in so much time.
--
-- attach(gate, host, q, ends) puts gate.limiter(settings), which generated code calls once for each rule, and gate.limit on
-- the gate. Buckets are those of this worker process and this release. Exact: times are whole milliseconds, and a
-- bucket counts in parts of a token, of which `amount` flow in each millisecond and one token has `period_ms`.

local ceil, find, floor, format, gsub, sub =
  math.ceil, string.find, math.floor, string.format, string.gsub, string.sub

-- Of one rule, in each of two generations: when the younger one is full, the older one goes. A client with so many keys
-- gets new buckets, and costs no more memory.
local MAX_BUCKETS = 10000
local MAX_KEY = 64 -- bytes; of a longer key its digest is kept
local V6_PREFIX = 8 -- bytes: a client can take any address of its /64 (RFC 8981)

local M = {}


function M.attach(gate, host, q, ends)
  local resp_header = host.r.resp_header
  local env = host.r["req_" .. "env"] -- see gate.lua
  local hrtime, md = host.c.hrtime, host.c.md
  local counted_here = gate.release .. " "

  -- `settings`: amount, period_ms, burst, status, and policy, the parameters of RateLimit-Policy.
  function gate.limiter(settings)
    return { settings = settings, by_rule = {} } -- rules with the same settings get the same one
  end

  local function limiter_of(kept, index)
    local limiter = kept.by_rule[index]
    if not limiter then
      local settings = kept.settings
      limiter = {
        settings = settings,
        full = settings.burst * settings.period_ms,
        full_after_ms = ceil(settings.burst * settings.period_ms / settings.amount),
        levels = {}, times = {}, old_levels = {}, old_times = {}, count = 0,
      }
      kept.by_rule[index] = limiter
    end
    return limiter
  end

  -- The rule's name as a string of structured fields (RFC 9651 section 3.3.3).
  local function name_of(index)
    return '"' .. gsub(gsub(gate.names[index], "[^ -~]", "-"), '["\\]', "\\%0") .. '"'
  end

  local function client()
    local ip = q.ip or gate.ip(q)
    return #ip == 16 and sub(ip, 1, V6_PREFIX) or ip
  end

  -- Takes a token. Returns nil, or in how many seconds there is one.
  local function take(limiter, key, now)
    local settings = limiter.settings
    local level, at = limiter.levels[key], limiter.times[key]
    if not level then
      level, at = limiter.old_levels[key] or limiter.full, limiter.old_times[key] or now
      if limiter.count == MAX_BUCKETS then
        limiter.old_levels, limiter.old_times = limiter.levels, limiter.times
        limiter.levels, limiter.times, limiter.count = {}, {}, 0
      end
      limiter.count = limiter.count + 1
    end
    local passed = now - at
    if passed >= limiter.full_after_ms then
      level = limiter.full
    elseif passed > 0 then
      level = level + passed * settings.amount
      level = level < limiter.full and level or limiter.full
    end
    local wait
    if level >= settings.period_ms then
      level = level - settings.period_ms
    else
      wait = ceil((settings.period_ms - level) / (settings.amount * 1000))
    end
    limiter.levels[key], limiter.times[key] = level, now
    return wait
  end

  -- `key` nil: the client's address. Counts a request once, though lighttpd may restart it for a rewrite or an error
  -- handler and rules then run anew.
  function gate.limit(_, index, kept, key)
    local mark = " " .. index .. " "
    local counted = env["LIGHTGATE_COUNTED"]
    if counted and sub(counted, 1, #counted_here) ~= counted_here then
      counted = nil
    end
    if counted and find(counted, mark, 1, true) then
      return nil
    end
    key = key or client()
    if #key > MAX_KEY then
      key = md("md5", key) -- of all digests the only one that every lighttpd has
    end
    local seconds, nanoseconds = hrtime()
    local limiter = limiter_of(kept, index)
    local wait = take(limiter, key, seconds * 1000 + floor(nanoseconds / 1000000))
    if not wait then
      env["LIGHTGATE_COUNTED"] = (counted or counted_here) .. mark
      return nil
    end
    local settings = limiter.settings
    resp_header["Retry-After"] = format("%d", wait)
    -- draft-ietf-httpapi-ratelimit-headers-09
    local name = name_of(index)
    resp_header["RateLimit-Policy"] = name .. settings.policy
    resp_header["RateLimit"] = name .. format(";r=0;t=%d", wait)
    return ends.refuse(index, "refuse", settings.status, nil, "too many requests")
  end
end


return M
