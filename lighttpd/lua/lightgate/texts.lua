-- texts.lua: what the functions of policies do to strings, sequences of strings and integers.
--
-- Functions that bear a name of luagen's builtins.py mean what that says, which is what CPython does on bytes. Letters are
-- ASCII's, by explicit sets: Lua's own classes follow the locale. Time grows with the texts, not with their square.
-- Sequences are arrays that nobody changes. Integers stay below 2^53, and never become text by themselves: where Lua has
-- floats, "3.0" would come of it.

local byte, char, find, format, gmatch, gsub =
  string.byte, string.char, string.find, string.format, string.gmatch, string.gsub
local match, rep, reverse, sub = string.match, string.rep, string.reverse, string.sub
local concat, floor, max, min, sort, tonumber = table.concat, math.floor, math.max, math.min, table.sort, tonumber

local SEPARATOR = "\255" -- of packed strings; occurs in no UTF-8 text
local BLANKS = " \t\n\r\v\f"
local MAX_DIGITS = 15 -- of an integer in a text

local M = {}

local TO_LOWER, TO_UPPER = {}, {}
for code = 65, 90 do
  TO_LOWER[char(code)], TO_UPPER[char(code + 32)] = char(code + 32), char(code)
end


-- === text to text ===============================================================================

function M.lower(text)
  return (gsub(text, "[A-Z]", TO_LOWER))
end


function M.upper(text)
  return (gsub(text, "[a-z]", TO_UPPER))
end


local function byte_set(text)
  local set = {}
  for i = 1, #text do
    set[byte(text, i)] = true
  end
  return set
end

local BLANK_SET = byte_set(BLANKS)


-- The text without bytes of `set` at its beginning (from_start) and end (from_end). A loop, because a pattern that
-- trims the end takes time with the square of the bytes to trim.
local function trimmed(text, characters, from_start, from_end)
  local set = characters == BLANKS and BLANK_SET or byte_set(characters)
  local first, last = 1, #text
  while from_start and first <= last and set[byte(text, first)] do
    first = first + 1
  end
  while from_end and last >= first and set[byte(text, last)] do
    last = last - 1
  end
  return sub(text, first, last)
end


function M.strip(text, characters)
  return trimmed(text, characters, true, true)
end


function M.lstrip(text, characters)
  return trimmed(text, characters, true, false)
end


function M.rstrip(text, characters)
  return trimmed(text, characters, false, true)
end


function M.removeprefix(text, prefix)
  if sub(text, 1, #prefix) == prefix then
    return sub(text, #prefix + 1)
  end
  return text
end


function M.removesuffix(text, suffix)
  if sub(text, -#suffix) == suffix then
    return sub(text, 1, -#suffix - 1)
  end
  return text
end


-- The pieces of a text between separators (not empty); separated at most `limit` times when that is given.
local function split(text, separator, limit)
  local pieces, count, first = {}, 0, 1
  while count ~= limit do
    local at = find(text, separator, first, true)
    if not at then
      break
    end
    count = count + 1
    pieces[count] = sub(text, first, at - 1)
    first = at + #separator
  end
  pieces[count + 1] = sub(text, first)
  return pieces
end

M.split = split


function M.replace(text, old, new, limit)
  if not find(text, old, 1, true) then
    return text
  end
  return concat(split(text, old, limit), new)
end


-- A slice's bounds as Lua counts: Python's places begin at 0, negative ones count from the end. No `stop`: to the end.
local function bounds(length, start, stop)
  stop = stop or length
  if start < 0 then
    start = max(start + length, 0)
  end
  if stop < 0 then
    stop = stop + length
  end
  return start + 1, min(stop, length)
end


function M.slice_text(text, start, stop)
  local first, last = bounds(#text, start, stop)
  if first > last then
    return ""
  end
  return sub(text, first, last)
end


function M.item_of_text(text, place)
  if place < 0 then
    place = place + #text
  end
  if place < 0 then
    return ""
  end
  return sub(text, place + 1, place + 1)
end


-- === formats ====================================================================================

-- An integer in decimal. Not "%d", which ends at 2^31 in Lua 5.1 on some machines; and + 0, because where all numbers are
-- floats there is a -0.
local function decimal(integer)
  return format("%.0f", integer + 0)
end

M.decimal = decimal


local text_formats = {} -- by how they are written; policies have few


local function text_format(spec)
  local fill, align, rest = match(spec, "^(.)([<>^])(.*)$")
  if not fill then
    align, rest = match(spec, "^([<>^])(.*)$")
    fill = " "
  end
  local zero, width, precision = match(rest or spec, "^(0?)([0-9]*)%.?([0-9]*)s?$")
  if zero == "0" and not align then
    fill = "0"
  end
  local found = { fill = fill, align = align or "<", width = tonumber(width) or 0, precision = tonumber(precision) }
  text_formats[spec] = found
  return found
end


-- `[[fill]align][width][.precision]`
function M.format_text(text, spec)
  local how = text_formats[spec] or text_format(spec)
  if how.precision then
    text = sub(text, 1, how.precision)
  end
  local missing = how.width - #text
  if missing <= 0 then
    return text
  end
  local before = 0
  if how.align == ">" then
    before = missing
  elseif how.align == "^" then
    before = floor(missing / 2)
  end
  return rep(how.fill, before) .. text .. rep(how.fill, missing - before)
end


local BASES = { x = 16, X = 16, o = 8, b = 2 }


-- The digits of an integer that is not negative.
local function digits(integer, kind)
  local base = BASES[kind]
  if not base then
    return decimal(integer)
  end
  local alphabet = kind == "X" and "0123456789ABCDEF" or "0123456789abcdef"
  local found, count = {}, 0
  repeat
    local digit = integer % base
    count = count + 1
    found[count] = sub(alphabet, digit + 1, digit + 1)
    integer = floor(integer / base)
  until integer == 0
  return reverse(concat(found))
end


-- Digits in groups of three, with zeros before them until they fill the width.
local function grouped(text, width)
  local length = #text
  while length + floor((length - 1) / 3) < width do
    length = length + 1
  end
  text = rep("0", length - #text) .. text
  local first = (length - 1) % 3 + 1
  return sub(text, 1, first) .. gsub(sub(text, first + 1), "[0-9][0-9][0-9]", ",%0")
end


-- `[0][width][,][type]`
function M.format_integer(integer, spec)
  local zero, width, comma, kind = match(spec, "^(0?)([0-9]*)(,?)([dxXob]?)$")
  width = tonumber(width) or 0
  local sign = integer < 0 and "-" or ""
  local text = digits(integer < 0 and -integer or integer, kind)
  local wanted = zero == "0" and width - #sign or 0
  if comma ~= "" then
    text = grouped(text, wanted)
  else
    text = rep("0", wanted - #text) .. text
  end
  text = sign .. text
  return rep(" ", width - #text) .. text
end


-- The integer that a text is, or nil.
function M.integer(text)
  local found = match(text, "^%-?([0-9]+)$")
  if found and #found <= MAX_DIGITS then
    return tonumber(text) + 0
  end
  return nil
end


-- === sequences ==================================================================================

function M.split_blanks(text)
  local words, count = {}, 0
  for word in gmatch(text, "[^ \t\n\r\v\f]+") do
    count = count + 1
    words[count] = word
  end
  return words
end


function M.slice_texts(texts, start, stop)
  local first, last = bounds(#texts, start, stop)
  local slice = {}
  for i = first, last do
    slice[i - first + 1] = texts[i]
  end
  return slice
end


function M.item_of_texts(texts, place)
  return texts[place < 0 and place + #texts + 1 or place + 1] or ""
end


function M.contains(texts, text)
  for i = 1, #texts do
    if texts[i] == text then
      return true
    end
  end
  return false
end


function M.any(texts, holds)
  for i = 1, #texts do
    if holds(texts[i]) then
      return true
    end
  end
  return false
end


function M.every(texts, holds)
  for i = 1, #texts do
    if not holds(texts[i]) then
      return false
    end
  end
  return true
end


-- What `element` makes of each text for which `holds` does, or of each.
function M.collected(texts, element, holds)
  local found, count = {}, 0
  for i = 1, #texts do
    local text = texts[i]
    if not holds or holds(text) then
      count = count + 1
      found[count] = element(text)
    end
  end
  return found
end


-- === about text =================================================================================

function M.find(text, needle)
  return (find(text, needle, 1, true) or 0) - 1
end


function M.rfind(text, needle)
  local at = find(reverse(text), reverse(needle), 1, true)
  return at and #text - #needle - at + 1 or -1
end


function M.count(text, needle)
  local count, first = 0, 1
  while true do
    local at = find(text, needle, first, true)
    if not at then
      return count
    end
    count, first = count + 1, at + #needle
  end
end


function M.isdigit(text)
  return text ~= "" and not find(text, "[^0-9]")
end


function M.isalpha(text)
  return text ~= "" and not find(text, "[^A-Za-z]")
end


function M.isalnum(text)
  return text ~= "" and not find(text, "[^0-9A-Za-z]")
end


function M.isascii(text)
  return not find(text, "[\128-\255]")
end


function M.islower(text)
  return find(text, "[a-z]") ~= nil and not find(text, "[A-Z]")
end


function M.isupper(text)
  return find(text, "[A-Z]") ~= nil and not find(text, "[a-z]")
end


function M.isspace(text)
  return text ~= "" and not find(text, "[^ \t\n\r\v\f]")
end


-- === numbers ====================================================================================

M.minimum, M.maximum = min, max


function M.between(minute, start, stop)
  if start < stop then
    return start <= minute and minute < stop
  end
  return minute >= start or minute < stop
end


-- === constants of a script ======================================================================

-- The array of a packed string. An empty one holds one empty string: nothing packs an empty array.
function M.unpacked(packed)
  return split(packed, SEPARATOR)
end


function M.set(texts)
  local set = {}
  for i = 1, #texts do
    set[texts[i]] = true
  end
  return set
end


-- Affixes for `begins` and `ends`: a set, and the lengths that occur in it.
function M.by_length(affixes)
  local set, seen, lengths = {}, {}, {}
  for i = 1, #affixes do
    local affix = affixes[i]
    set[affix] = true
    if not seen[#affix] then
      seen[#affix] = true
      lengths[#lengths + 1] = #affix
    end
  end
  sort(lengths)
  return { set = set, lengths = lengths }
end


-- Whether a text begins with one of the affixes; the time depends on how many lengths they have.
function M.begins(affixes, text)
  local set, lengths, length = affixes.set, affixes.lengths, #text
  for i = 1, #lengths do
    local n = lengths[i]
    if n > length then
      return false
    elseif set[sub(text, 1, n)] then
      return true
    end
  end
  return false
end


function M.ends(affixes, text)
  local set, lengths, length = affixes.set, affixes.lengths, #text
  for i = 1, #lengths do
    local n = lengths[i]
    if n > length then
      return false
    elseif set[sub(text, length - n + 1)] then
      return true
    end
  end
  return false
end


return M
