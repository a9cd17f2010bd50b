-- verdicts.lua: what the sidecar, or Lua itself, has found out about credentials, kept for as long as it holds.
--
-- new(host, epoch_file, on_flush) returns a cache of this Lua state: bounded, evicting in constant time, never past a
-- verdict's end, and emptied when the epoch file changes or is missing.

local format, sub = string.format, string.sub
local tostring = tostring

local CACHE_ENTRIES = 5000 -- of one generation; there are two. More makes the collector's pauses long
local CACHE_BYTES = 8 * 1024 * 1024 -- of credentials and identities in one generation; typical ones have 1 KiB
local KEY_BYTES = 40 -- of the end of a credential: unique for signatures, and short enough for Lua to intern

local M = {}


function M.new(host, epoch_file, on_flush)
  local time, stat = host.c.time, host.c.stat

  -- Two generations: when the young one is full it becomes the old one, and what is found in the old one moves
  -- to the young one. So eviction costs nothing, and memory is bounded by twice the size of a generation.
  local young, old, young_count, old_count, young_bytes = {}, {}, 0, 0, 0
  local epoch, epoch_checked_at
  local flushes, hits, misses = 0, 0, 0

  local verdicts = {}

  -- Looks at the epoch file, once a second. Without one nothing is remembered: nobody could take it back.
  local function check_epoch(now)
    epoch_checked_at = now
    local file = stat(epoch_file)
    local current
    if file then
      local seconds, nanoseconds = file.st_mtim()
      current = format("%s %s %s", tostring(file.st_ino), tostring(seconds), tostring(nanoseconds))
    end
    if current ~= epoch then
      epoch = current
      young, old, young_count, old_count, young_bytes = {}, {}, 0, 0, 0
      flushes = flushes + 1
      on_flush()
    end
  end

  -- The time in seconds since the epoch, after a look at the epoch file when one is due.
  function verdicts.now()
    local now = time()
    if now ~= epoch_checked_at then
      check_epoch(now)
    end
    return now
  end

  -- A number that changes whenever everything is forgotten: what was asked before must not be remembered after.
  function verdicts.flushes()
    return flushes
  end

  -- Keeps who presented a credential until `expires`.
  function verdicts.remember(credential, caller, expires, now)
    if not epoch or expires <= now + 1 then
      return
    end
    if young_count == CACHE_ENTRIES or young_bytes > CACHE_BYTES then
      old, young, young_count, old_count, young_bytes = young, {}, 0, young_count, 0
    end
    young_bytes = young_bytes + #credential + #caller.text
    young[sub(credential, -KEY_BYTES)] = { credential = credential, caller = caller, expires = expires }
    young_count = young_count + 1
  end

  -- Who presented a credential, or nil when that has to be found out.
  function verdicts.recall(credential, now)
    local key = sub(credential, -KEY_BYTES)
    local entry, aged = young[key], false
    if not entry then
      entry, aged = old[key], true
      if not entry then
        misses = misses + 1
        return nil
      end
    end
    -- time() may be late by a second. The end of a verdict is not the end of the token: ask again.
    if entry.credential ~= credential or entry.expires <= now + 1 then
      misses = misses + 1
      return nil
    end
    hits = hits + 1
    if aged then
      verdicts.remember(credential, entry.caller, entry.expires, now)
    end
    return entry.caller
  end

  -- For the status page. `entries`: those of both generations; one that moved to the young one counts twice.
  function verdicts.figures()
    return { entries = young_count + old_count, hits = hits, misses = misses, flushes = flushes }
  end

  return verdicts
end


return M
