-- fields.lua: the fields of a request, as rules read them.
--
-- attach(gate, host, q) puts the readers on the gate. Each reads what lighttpd has parsed, once a request, and keeps it
-- in `q` under its own name. Nothing here raises on anything a client can send.

local addresses, automata = address, automaton -- the modules embedded before this one
local text_functions = texts

local byte, char, find, floor, format = string.byte, string.char, string.find, math.floor, string.format
local gmatch, gsub, match, sub = string.gmatch, string.gsub, string.match, string.sub
local min, tonumber = math.min, tonumber

local DAY = 86400 -- seconds
-- Of a body, as in luagen/vocabulary.py: with a longer one arithmetic would wrap around where Lua has integers, and no
-- rule tells 8 TiB from more.
local MAX_LENGTH = 8796093022208
local PERCENT_DIGITS = 7 -- hexadecimal digits of the MD5 that `percent` looks at

local M = {}


local function unescape(text)
  return (gsub(text, "%%(%x%x)", function(digits) return char(tonumber(digits, 16)) end))
end


-- The bytes of text from first to last without blanks around them. A loop, because a pattern that trims both ends
-- takes time with the square of the blanks, and lighttpd waits meanwhile.
local function trim(text, first, last)
  while first <= last and (byte(text, first) == 32 or byte(text, first) == 9) do
    first = first + 1
  end
  while last >= first and (byte(text, last) == 32 or byte(text, last) == 9) do
    last = last - 1
  end
  return sub(text, first, last)
end


-- Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar. After Howard Hinnant,
-- "chrono-Compatible Low-Level Date Algorithms", civil_from_days: years begin in March, so that leap days come last.
local function civil(days)
  days = days + 719468 -- since 0000-03-01
  local era = floor(days / 146097)
  local day_of_era = days - era * 146097
  local year_of_era = floor(
    (day_of_era - floor(day_of_era / 1460) + floor(day_of_era / 36524) - floor(day_of_era / 146096)) / 365
  )
  local day_of_year = day_of_era - (365 * year_of_era + floor(year_of_era / 4) - floor(year_of_era / 100))
  local month = floor((5 * day_of_year + 2) / 153) -- March is 0
  local day = day_of_year - floor((153 * month + 2) / 5) + 1
  local year = year_of_era + era * 400
  if month < 10 then
    return year, month + 3, day
  end
  return year + 1, month - 9, day
end


function M.attach(gate, host, q)
  local req_attr, req_header, req_body = host.r.req_attr, host.r.req_header, host.r.req_body
  local env = host.r["req_" .. "env"] -- see gate.lua
  local time, md = host.c.time, host.c.md

  function gate.method(_)
    local value = req_attr["request.method"] or ""
    q.method = value
    return value
  end

  function gate.host_name(_)
    local authority = req_attr["uri.authority"] or ""
    local value = match(authority, "^(.*):%d+$") or authority
    q.host_name = value
    return value
  end

  function gate.raw_path(_)
    local value = req_attr["uri.path-raw"] or ""
    q.raw_path = value
    return value
  end

  function gate.query(_)
    local value = req_attr["uri.query"] or ""
    q.query = value
    return value
  end

  function gate.scheme(_)
    local value = req_attr["uri.scheme"] or ""
    q.scheme = value
    return value
  end

  function gate.port(_)
    local value = tonumber(req_attr["request.server-port"]) or 0
    q.port = value
    return value
  end

  function gate.ip(_)
    local value = addresses.parse(req_attr["request.remote-addr"] or "") or ""
    q.ip = value
    return value
  end

  function gate.http_version(_)
    local value = gsub(match(req_attr["request.protocol"] or "", "^HTTP/(.*)$") or "", "^([2-9])%.0$", "%1")
    q.http_version = value
    return value
  end

  function gate.content_length(_)
    local value = min(tonumber(req_body.len) or 0, MAX_LENGTH)
    q.content_length = value
    return value
  end

  -- One reading of the clock for all rules of a pass. A pass after a deferral reads it again: it begins at the rule that
  -- suspended, and what a rule allows until noon is not allowed later because the caller was slow to be found out.
  function gate.now(_)
    local value = time()
    q.now = value
    return value
  end

  function gate.minute_of_day(_)
    local value = floor((q.now or gate.now(q)) % DAY / 60)
    q.minute_of_day = value
    return value
  end

  function gate.hour(_)
    local value = floor((q.now or gate.now(q)) % DAY / 3600)
    q.hour = value
    return value
  end

  function gate.minute(_)
    local value = floor((q.now or gate.now(q)) % 3600 / 60)
    q.minute = value
    return value
  end

  function gate.weekday(_)
    local value = (floor((q.now or gate.now(q)) / DAY) + 3) % 7 -- 1970-01-01 was a Thursday
    q.weekday = value
    return value
  end

  local function date(part)
    q.year, q.month, q.day = civil(floor((q.now or gate.now(q)) / DAY))
    return q[part]
  end

  function gate.year(_) return date("year") end
  function gate.month(_) return date("month") end
  function gate.day(_) return date("day") end

  -- What a module of lighttpd says of the request, such as SSL_PROTOCOL.
  function gate.variable(_, name)
    return env[name] or ""
  end

  -- `key`: where to keep the value in `q`, for a field that several rules read and none changes.
  function gate.header(_, name, key)
    local value = req_header[name] or ""
    if key then
      q[key] = value
    end
    return value
  end

  function gate.has_header(_, name)
    return req_header[name] ~= nil
  end

  -- Query arguments as the WHATWG URL standard reads a form (section 5.1): the first of a name counts.
  local function each_arg(visit)
    for pair in gmatch(q.query or gate.query(q), "[^&]+") do
      local name, value = match(pair, "^([^=]*)=(.*)$")
      visit(unescape((gsub(name or pair, "%+", " "))), value and unescape((gsub(value, "%+", " "))) or "")
    end
  end

  local function args()
    local found = {}
    each_arg(function(name, value)
      if found[name] == nil then
        found[name] = value
      end
    end)
    q.args = found
    return found
  end

  function gate.arg(_, name)
    return (q.args or args())[name] or ""
  end

  function gate.has_arg(_, name)
    return (q.args or args())[name] ~= nil
  end

  -- All values of a name, in their order. Kept, because a rule may ask for them once an element of another sequence.
  function gate.all_args(_, wanted)
    local known = q.arg_lists
    if not known then
      known = {}
      q.arg_lists = known
    end
    local values = known[wanted]
    if not values then
      local count = 0
      values = {}
      each_arg(function(name, value)
        if name == wanted then
          count = count + 1
          values[count] = value
        end
      end)
      known[wanted] = values
    end
    return values
  end

  -- Cookies after RFC 6265 section 5.4: pairs between ";", the first of a name counts, values as sent.
  -- lighttpd's own cookie reader cuts values at "=" and lets the last of a name win.
  local function cookies()
    local found = {}
    for pair in gmatch(req_header["Cookie"] or "", "[^;]+") do
      local equals = find(pair, "=", 1, true)
      local name = equals and trim(pair, 1, equals - 1)
      if name and name ~= "" and found[name] == nil then
        found[name] = trim(pair, equals + 1, #pair)
      end
    end
    q.cookies = found
    return found
  end

  function gate.cookie(_, name)
    return (q.cookies or cookies())[name] or ""
  end

  function gate.has_cookie(_, name)
    return (q.cookies or cookies())[name] ~= nil
  end

  gate.texts = text_functions
  gate.networks, gate.packed_networks, gate.in_networks = addresses.networks, addresses.packed, addresses.contains
  gate.automaton, gate.search = automata.new, automata.search

  -- Where patterns keep what their named groups captured; a rule reads only groups of its own pattern.
  function gate.groups(_)
    local found = {}
    q.groups = found
    return found
  end

  -- 0 to 99, the same for the same key.
  function gate.percent(key)
    return tonumber(sub(md("md5", key), 1, PERCENT_DIGITS), 16) % 100
  end

  function gate.encode(value)
    return (gsub(value, "[^A-Za-z0-9%-%._~/]", function(text) return format("%%%02X", byte(text)) end))
  end
end


return M
