-- json.lua: a strict JSON reader for tokens, after RFC 8259 and RFC 7515 section 5.2.
--
-- parse(text) returns the value, or nil and a reason. Stricter than JSON where leniency has been an attack:
-- duplicate members, invalid UTF-8, lone surrogates, more than 15 digits in a number, more than 10 levels
-- and anything after the value are refused. Objects are tables with string keys; arrays have their length
-- at index 0, which no object has; null is json.null.

local byte, char, find, floor, match, sub = string.byte, string.char, string.find, math.floor, string.match, string.sub
local concat, tonumber = table.concat, tonumber

local MAX_DEPTH = 10 -- levels of objects and arrays; tokens need two or three, recursion needs a bound
local MAX_DIGITS = 15 -- every integer of 15 digits is exact in a double, so all Lua versions agree

local NULL = {}

local ESCAPES = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\8", f = "\12", n = "\n", r = "\r", t = "\t",
}


-- Whether text is well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
local function is_utf8(text)
  local at = find(text, "[\128-\255]")
  while at do
    local lead, second = byte(text, at, at + 1)
    local length, low, high = nil, 128, 191
    if lead >= 194 and lead <= 223 then
      length = 2
    elseif lead >= 224 and lead <= 239 then
      length = 3
      if lead == 224 then low = 160 elseif lead == 237 then high = 159 end
    elseif lead >= 240 and lead <= 244 then
      length = 4
      if lead == 240 then low = 144 elseif lead == 244 then high = 143 end
    end
    if not length or not second or second < low or second > high then
      return false
    end
    for offset = 2, length - 1 do
      local following = byte(text, at + offset)
      if not following or following < 128 or following > 191 then
        return false
      end
    end
    at = find(text, "[\128-\255]", at + length)
  end
  return true
end


local function utf8_char(code)
  if code < 128 then
    return char(code)
  elseif code < 2048 then
    return char(192 + floor(code / 64), 128 + code % 64)
  elseif code < 65536 then
    return char(224 + floor(code / 4096), 128 + floor(code / 64) % 64, 128 + code % 64)
  end
  return char(240 + floor(code / 262144), 128 + floor(code / 4096) % 64, 128 + floor(code / 64) % 64, 128 + code % 64)
end


-- All readers take the text and a position, and return the value and the position after it, or nil and a reason.

local function skip_space(text, at)
  return find(text, "[^ \t\r\n]", at) or #text + 1
end


local function read_unicode_escape(text, at) -- at: the position after "\u"
  local digits = match(text, "^%x%x%x%x", at)
  if not digits then
    return nil, "bad escape"
  end
  local code = tonumber(digits, 16)
  if code >= 56320 and code <= 57343 then
    return nil, "lone surrogate"
  end
  if code >= 55296 and code <= 56319 then
    local low = match(text, "^\\u(%x%x%x%x)", at + 4)
    low = low and tonumber(low, 16)
    if not low or low < 56320 or low > 57343 then
      return nil, "lone surrogate"
    end
    return utf8_char(65536 + (code - 55296) * 1024 + (low - 56320)), at + 10
  end
  return utf8_char(code), at + 4
end


local function read_string(text, at) -- at: the position after the opening quote
  local stop = find(text, '["\\%c]', at)
  if not stop then
    return nil, "unfinished string"
  end
  if byte(text, stop) == 34 then
    return sub(text, at, stop - 1), stop + 1
  end
  local parts, count = {}, 0
  while true do
    local code = byte(text, stop)
    count = count + 1
    parts[count] = sub(text, at, stop - 1)
    if code == 34 then
      return concat(parts), stop + 1
    elseif code == 92 then
      local letter = sub(text, stop + 1, stop + 1)
      local piece, after = ESCAPES[letter], stop + 2
      if letter == "u" then
        piece, after = read_unicode_escape(text, stop + 2)
        if not piece then
          return nil, after
        end
      elseif not piece then
        return nil, "bad escape"
      end
      count = count + 1
      parts[count] = piece
      at = after
    elseif code == 127 then -- DEL is a control to Lua's %c, and allowed in JSON
      count = count + 1
      parts[count] = "\127"
      at = stop + 1
    else
      return nil, "control character in string"
    end
    stop = find(text, '["\\%c]', at)
    if not stop then
      return nil, "unfinished string"
    end
  end
end


local function read_number(text, at)
  local stop = find(text, "[^%d%.eE+-]", at) or #text + 1
  local literal = sub(text, at, stop - 1)
  local whole, rest = match(literal, "^%-?(%d+)(.*)$")
  if not whole or (#whole > 1 and byte(whole) == 48) then
    return nil, "bad number"
  end
  local fraction, exponent = match(rest, "^%.(%d+)(.*)$")
  if not fraction then
    fraction, exponent = "", rest
  end
  local power = ""
  if exponent ~= "" then
    power = match(exponent, "^[eE][+-]?(%d+)$")
    if not power then
      return nil, "bad number"
    end
  end
  if #whole + #fraction + #power > MAX_DIGITS then
    return nil, "too many digits"
  end
  local value = tonumber(literal)
  if not value or value - value ~= 0 then -- infinity and NaN
    return nil, "number out of range"
  end
  return value, stop
end


local read_value


local function read_object(text, at, depth)
  local object = {}
  at = skip_space(text, at)
  if byte(text, at) == 125 then
    return object, at + 1
  end
  while true do
    if byte(text, at) ~= 34 then
      return nil, "member name expected"
    end
    local name, value
    name, at = read_string(text, at + 1)
    if not name then
      return nil, at
    end
    if object[name] ~= nil then
      return nil, "duplicate member"
    end
    at = skip_space(text, at)
    if byte(text, at) ~= 58 then
      return nil, "colon expected"
    end
    value, at = read_value(text, skip_space(text, at + 1), depth)
    if value == nil then
      return nil, at
    end
    object[name] = value
    at = skip_space(text, at)
    local code = byte(text, at)
    if code == 125 then
      return object, at + 1
    elseif code ~= 44 then
      return nil, "comma expected"
    end
    at = skip_space(text, at + 1)
  end
end


local function read_array(text, at, depth)
  local array, count = {}, 0
  at = skip_space(text, at)
  if byte(text, at) == 93 then
    array[0] = 0
    return array, at + 1
  end
  while true do
    local value
    value, at = read_value(text, at, depth)
    if value == nil then
      return nil, at
    end
    count = count + 1
    array[count] = value
    at = skip_space(text, at)
    local code = byte(text, at)
    if code == 93 then
      array[0] = count
      return array, at + 1
    elseif code ~= 44 then
      return nil, "comma expected"
    end
    at = skip_space(text, at + 1)
  end
end


function read_value(text, at, depth)
  local code = byte(text, at)
  if code == 34 then
    return read_string(text, at + 1)
  elseif code == 123 or code == 91 then
    if depth == MAX_DEPTH then
      return nil, "nested too deep"
    end
    local read = code == 123 and read_object or read_array
    return read(text, at + 1, depth + 1)
  elseif sub(text, at, at + 3) == "true" then
    return true, at + 4
  elseif sub(text, at, at + 4) == "false" then
    return false, at + 5
  elseif sub(text, at, at + 3) == "null" then
    return NULL, at + 4
  end
  return read_number(text, at)
end


local M = { null = NULL }


-- The value of a JSON text, or nil and a reason.
function M.parse(text)
  if not is_utf8(text) then
    return nil, "not UTF-8"
  end
  local value, at = read_value(text, skip_space(text, 1), 0)
  if value == nil then
    return nil, at
  end
  if skip_space(text, at) <= #text then
    return nil, "text after the value"
  end
  return value
end


-- Whether value is an object (arrays carry their length at index 0).
function M.is_object(value)
  return type(value) == "table" and value ~= NULL and value[0] == nil
end


-- Whether value is an array; its length is value[0].
function M.is_array(value)
  return type(value) == "table" and value[0] ~= nil
end


return M
