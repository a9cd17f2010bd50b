-- automaton.lua: regular expressions, as the deterministic automata that luagen/regex/ makes of them.
--
-- A search goes over the text once and never back: for each byte one byte(), one read of its class and one of the next
-- row; with named groups one more, and a handful of assignments where a group begins or ends. It allocates nothing without named
-- groups, one table of registers with them. It stops at the first match (without groups), and where nothing that follows
-- can change the result, so that a pattern anchored at the start costs what it has to look at. A pattern that begins with
-- plain text is first looked for by the plain string.find, and costs only that where it does not occur.

local byte, find, gmatch, match, sub = string.byte, string.find, string.gmatch, string.match, string.sub
local char, concat, tonumber = string.char, table.concat, tonumber

-- Registers, as in luagen/regex/automaton.py. Number 1 is never written: to assign it is to unset.
local PLACE, MATCHED, FIRST_RESULT = 0, 2, 3

local M = {}


local function numbers(text)
  local list = {}
  for number in gmatch(text, "%d+") do
    list[#list + 1] = tonumber(number)
  end
  return list
end


-- A list in which "v*n" is n times v.
local function runs(text)
  local list, count = {}, 0
  for value, times in gmatch(text, "(%d+)%*?(%d*)") do
    local number = tonumber(value)
    for _ = 1, tonumber(times) or 1 do
      count = count + 1
      list[count] = number
    end
  end
  return list
end


-- The automaton of a text that `Automaton.packed` made; raises on another, which is a bug in luagen.
-- Shape: `class` maps a byte to 1 … width; a row has at the class the next row (false: the search ends), at width + class what
-- is done before, at 2 * width + 1 what is done at the end of the text: nil, true (a match) or a program, which is pairs
-- of registers, the second one's value assigned to the first one.
function M.new(packed)
  local names, prefix, classes, programs, rows = match(packed, "^([^;]*);([^;]*);([^;]*);([^;]*);([^;]+)$")
  if not names then
    error("bug in luagen: bad automaton", 2)
  end
  local automaton = { names = {}, class = {}, width = 0 }
  for name in gmatch(names, "[^,]+") do
    automaton.names[#automaton.names + 1] = name
  end
  for i, value in ipairs(runs(classes)) do
    automaton.class[i - 1] = value + 1
    if value >= automaton.width then
      automaton.width = value + 1
    end
  end
  if prefix ~= "" then
    local bytes = numbers(prefix)
    for i = 1, #bytes do
      bytes[i] = char(bytes[i])
    end
    automaton.prefix = concat(bytes)
  end
  local actions = {}
  for program in gmatch(programs, "[^/]+") do
    actions[#actions + 1] = numbers(program)
  end
  if #automaton.names == 0 then
    actions[1] = true
  end
  -- Rows refer to each other: first all of them, then what is in them.
  local made, content = {}, {}
  for row in gmatch(rows, "[^/]+") do
    made[#made + 1] = {}
    content[#content + 1] = row
  end
  for i = 1, #made do
    local targets, done = match(content[i], "^([^:]*):?(.*)$")
    for class, target in ipairs(runs(targets)) do
      made[i][class] = made[target] or false
    end
    for column, action in ipairs(runs(done)) do
      made[i][automaton.width + column] = actions[action]
    end
  end
  automaton.start = made[1]
  return automaton
end


-- Whether there is a match in the text from byte `first` on.
local function exists(automaton, text, first)
  local row, class, width = automaton.start, automaton.class, automaton.width
  for i = first, #text do
    local c = class[byte(text, i)]
    local next_row = row[c]
    if not next_row then
      return row[width + c] ~= nil
    end
    row = next_row
  end
  return row[2 * width + 1] ~= nil
end


local function execute(program, registers, place)
  registers[PLACE] = place
  for i = 1, #program, 2 do
    registers[program[i]] = registers[program[i + 1]]
  end
end


-- The same with named groups: the registers of the leftmost match, or nil. With `any` those of some match, as soon as
-- there is one.
local function trace(automaton, text, first, any)
  local row, class, width = automaton.start, automaton.class, automaton.width
  local registers = {}
  for i = first, #text do
    local c = class[byte(text, i)]
    local program = row[width + c]
    if program then
      execute(program, registers, i - 1)
      if any and registers[MATCHED] then
        return registers
      end
    end
    row = row[c]
    if not row then
      break
    end
  end
  local program = row and row[2 * width + 1]
  if program then
    execute(program, registers, #text)
  end
  return registers[MATCHED] and registers
end


-- Whether the pattern matches somewhere in the text (Python's re.search). When it does, `groups`, if given, gets the
-- named groups of the leftmost match: "" for one that did not take part. With `leading` the text must begin with that, and
-- the pattern is matched with what stands behind it.
function M.search(automaton, text, groups, leading)
  local first = 1
  if leading then
    if sub(text, 1, #leading) ~= leading then
      return false
    end
    first = #leading + 1
  elseif automaton.prefix then
    first = find(text, automaton.prefix, 1, true)
    if not first then
      return false
    end
  end
  local names = automaton.names
  if #names == 0 then
    return exists(automaton, text, first)
  end
  local registers = trace(automaton, text, first, not groups)
  if not registers then
    return false
  end
  if groups then
    for i = 1, #names do
      local start, stop = registers[FIRST_RESULT + 2 * i - 2], registers[FIRST_RESULT + 2 * i - 1]
      groups[names[i]] = start and stop and sub(text, start + 1, stop) or ""
    end
  end
  return true
end


return M
