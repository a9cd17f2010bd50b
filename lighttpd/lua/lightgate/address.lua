-- address.lua: IP addresses as 4 or 16 bytes, and sets of networks with a lookup that does not grow with their number.

local byte, char, find, floor, format, gmatch, match, rep, sub =
  string.byte, string.char, string.find, math.floor, string.format, string.gmatch, string.match, string.rep, string.sub
local concat, sort, tonumber = table.concat, table.sort, tonumber

local MAPPED_PREFIX = rep("\0", 10) .. "\255\255" -- RFC 4291 section 2.5.5.2, ::ffff:0:0/96

local M = {}


local function parse_ipv4(text)
  local a, b, c, d = match(text, "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
  if not a then
    return nil
  end
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  if a > 255 or b > 255 or c > 255 or d > 255 then
    return nil
  end
  return char(a, b, c, d)
end


-- The groups of one side of "::" as bytes, or nil.
local function parse_groups(text)
  local bytes, count = {}, 0
  if text == "" then
    return ""
  end
  for group in gmatch(text .. ":", "([^:]*):") do
    if not match(group, "^%x%x?%x?%x?$") then
      return nil
    end
    local value = tonumber(group, 16)
    count = count + 1
    bytes[count] = char(floor(value / 256), value % 256)
  end
  return concat(bytes)
end


local function parse_ipv6(text)
  local head, tail = match(text, "^(.*:)([%d%.]+)$")
  local embedded = head and find(tail, ".", 1, true) and parse_ipv4(tail)
  if embedded then -- the last 32 bits in dotted form
    local a, b, c, d = byte(embedded, 1, 4)
    text = head .. format("%x:%x", a * 256 + b, c * 256 + d)
  end
  local gap = find(text, "::", 1, true)
  if not gap then
    local all = parse_groups(text)
    return all and #all == 16 and all or nil
  end
  local left, right = parse_groups(sub(text, 1, gap - 1)), parse_groups(sub(text, gap + 2))
  if not left or not right or #left + #right > 14 then
    return nil
  end
  return left .. rep("\0", 16 - #left - #right) .. right
end


-- An address as 4 or 16 bytes, IPv4-mapped IPv6 as 4; nil when text is none. A zone ("%eth0") is dropped.
function M.parse(text)
  if find(text, ":", 1, true) then
    local bytes = parse_ipv6(match(text, "^[^%%]*"))
    if bytes and sub(bytes, 1, 12) == MAPPED_PREFIX then
      return sub(bytes, 13)
    end
    return bytes
  end
  return parse_ipv4(text)
end


-- The first `bits` bits of an address, the rest zero. Arithmetic, because Lua 5.1 has no bit operators.
local function mask(bytes, bits)
  local whole = floor(bits / 8)
  local part = bits % 8
  if part == 0 then
    return sub(bytes, 1, whole)
  end
  local value = byte(bytes, whole + 1)
  return sub(bytes, 1, whole) .. char(value - value % 2 ^ (8 - part))
end


-- An empty set for `contains`, and the function that gives its networks of one length. Shape: per address length, the
-- prefix lengths that occur and, for each, a hash of the networks' leading bits.
local function new_set()
  local set = { [4] = {}, [16] = {} }
  local tables = { [4] = {}, [16] = {} }
  local function entries(width, bits)
    local found = tables[width][bits]
    if not found then
      found = {}
      tables[width][bits] = found
      local lengths = set[width]
      lengths[#lengths + 1] = { bits = bits, entries = found }
      sort(lengths, function(a, b) return a.bits < b.bits end)
    end
    return found
  end
  return set, entries
end


-- A set from networks in "address/bits" form; raises on a malformed one, which is a bug in luagen.
function M.networks(list)
  local set, entries = new_set()
  for _, text in ipairs(list) do
    local address, bits = match(text, "^([^/]+)/(%d+)$")
    local bytes = address and M.parse(address)
    bits = tonumber(bits)
    if not bytes then
      error("bug in luagen: bad network " .. text, 2)
    end
    if #bytes == 4 and find(address, ":", 1, true) then
      bits = bits - 96 -- an IPv4-mapped network
    end
    if bits < 0 or bits > #bytes * 8 then
      error("bug in luagen: bad network " .. text, 2)
    end
    entries(#bytes, bits)[mask(bytes, bits)] = true
  end
  return set
end


-- A set of many networks: rows { address length in bytes, prefix length in bits, leading bytes of all of these }.
function M.packed(rows)
  local set, entries = new_set()
  for i = 1, #rows do
    local width, bits, leading = rows[i][1], rows[i][2], rows[i][3]
    local found, size = entries(width, bits), floor((bits + 7) / 8)
    if size == 0 then
      found[""] = true
    else
      for first = 1, #leading, size do
        found[sub(leading, first, first + size - 1)] = true
      end
    end
  end
  return set
end


-- Whether an address (bytes; "" for none) lies in one of the set's networks.
function M.contains(set, bytes)
  local lengths = set[#bytes]
  if not lengths then
    return false
  end
  for i = 1, #lengths do
    local length = lengths[i]
    if length.entries[mask(bytes, length.bits)] then
      return true
    end
  end
  return false
end


return M
