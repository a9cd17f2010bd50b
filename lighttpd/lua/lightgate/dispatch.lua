-- dispatch.lua: which rules a request meets, and in which order: the shared ones, then those of its host's site.
--
-- attach(gate, q, passes) puts gate.dispatch(shared, sites) on the gate, which generated code calls once, after gate.rules
-- is there, when trying all rules in order will not do; that puts gate.walk(first) there, which tries them. `passes`:
-- whether the policy's default lets requests through. docs/internals.md has the form of what is handed over. Rules that
-- cannot match are left out where the compiler has made an index; nothing else differs from trying all in order.

local find, gmatch, match, sub = string.find, string.gmatch, string.match, string.sub
local next, tonumber = next, tonumber
local sort = table.sort

local NONE = 2 ^ 53 -- more than any number of a rule

-- How the fields of an index are read: the name in `q` and of the function of the gate that puts it there.
local FIELDS = { "path", "host_name", "method" }

local M = {}


local function numbers_of(text)
  local numbers = {}
  for number in gmatch(text, "%d+") do
    numbers[#numbers + 1] = tonumber(number)
  end
  return numbers
end


-- The table of an index part whose lines are "NUMBERS TEXT".
local function by_text(lines)
  local found = {}
  for numbers, text in gmatch(lines, "([%d,]+) ([^\n]*)\n") do
    found[text] = numbers_of(numbers)
  end
  return found
end


-- Texts by which a field may begin or end, and their lengths in ascending order. A longer text has its own beginning
-- under every shorter length, with `false` where that is no text itself: so a search ends where nothing can follow.
local function by_affix(lines, at_end)
  local found = by_text(lines)
  local is_length, lengths = {}, {}
  for text in next, found do
    is_length[#text] = true
  end
  for length in next, is_length do
    lengths[#lengths + 1] = length
  end
  sort(lengths)
  local beginnings = {}
  for text in next, found do
    for i = 1, #lengths do
      local length = lengths[i]
      if length >= #text then
        break
      end
      beginnings[at_end and sub(text, -length) or sub(text, 1, length)] = true
    end
  end
  for text in next, beginnings do
    if found[text] == nil then
      found[text] = false
    end
  end
  return found, lengths
end


-- A block of rules ready for use. `parts`: nil, or what the compiler's index says.
local function block_of(first, last, passes, parts)
  local block = { first = first, last = last, passes = passes }
  if not parts then
    return block
  end
  block.always = numbers_of(parts.always)
  block.probes = {}
  for i = 1, #FIELDS do
    local field = FIELDS[i]
    local part = parts[field]
    if part then
      local probe = { field = field, exact = part.exact and by_text(part.exact) }
      if part.prefix then
        probe.prefix, probe.prefix_lengths = by_affix(part.prefix, false)
      end
      if part.suffix then
        probe.suffix, probe.suffix_lengths = by_affix(part.suffix, true)
      end
      block.probes[#block.probes + 1] = probe
    end
  end
  return block
end


function M.attach(gate, q, passes)
  local rules -- gate.rules
  local shared, last_shared
  local hosts, domains, other -- blocks by host and by domain with its leading dot; the block of all other hosts
  local longest -- of the domains

  -- Tries the rules from `first` to `last`.
  local function try_all(first, last)
    for index = first, last do
      local status = rules[index](q)
      if status then
        return status
      end
    end
    return nil
  end

  -- The lists of rules that a request may match, and how far each has been tried. Used anew by every request.
  local lists, places = {}, {}

  -- Fills `lists`; returns how many there are.
  local function collect(block)
    local count = 0
    if #block.always > 0 then
      count = 1
      lists[1] = block.always
    end
    local probes = block.probes
    for i = 1, #probes do
      local probe = probes[i]
      local field = probe.field
      local text = q[field] or gate[field](q)
      local exact = probe.exact and probe.exact[text]
      if exact then
        count = count + 1
        lists[count] = exact
      end
      local lengths = probe.prefix_lengths
      if lengths then
        for j = 1, #lengths do
          local length = lengths[j]
          local found = length <= #text and probe.prefix[sub(text, 1, length)]
          if found == nil then
            break
          elseif found then
            count = count + 1
            lists[count] = found
          end
        end
      end
      lengths = probe.suffix_lengths
      if lengths then
        for j = 1, #lengths do
          local length = lengths[j]
          local found = length <= #text and probe.suffix[sub(text, -length)]
          if found == nil then
            break
          elseif found then
            count = count + 1
            lists[count] = found
          end
        end
      end
    end
    return count
  end

  -- Tries the rules of a block from `first` on, in ascending order, without those that its index rules out.
  local function try(block, first)
    if not block.always then
      return try_all(first, block.last)
    end
    local count = collect(block)
    for i = 1, count do
      local list, place = lists[i], 1
      while list[place] and list[place] < first do -- only of a request that is taken up again
        place = place + 1
      end
      places[i] = place
    end
    local tried = 0
    while true do
      -- The list that has the lowest number, and where another one must be looked at again.
      local list, chosen, lowest, limit = nil, nil, NONE, NONE
      for i = 1, count do
        local number = lists[i][places[i]]
        if number == tried then -- one rule may stand in several lists
          places[i] = places[i] + 1
          number = lists[i][places[i]]
        end
        if number and number < lowest then
          list, chosen, lowest, limit = lists[i], i, number, lowest
        elseif number and number < limit then
          limit = number
        end
      end
      if not list then
        return nil
      end
      local place = places[chosen]
      repeat
        local status = rules[lowest](q)
        if status then
          return status
        end
        tried = lowest
        place = place + 1
        lowest = list[place]
      until not lowest or lowest >= limit
      places[chosen] = place
    end
  end

  -- The block of the request's host, or nil.
  local function site()
    local host = q.host_name or gate.host_name(q)
    local block = hosts[host]
    if block then
      return block
    end
    -- The longest domain first; of a longer host no more is looked at than a domain can have.
    local dot = longest > 0 and find(host, ".", #host > longest and -longest or 2, true)
    while dot do
      block = domains[sub(host, dot)]
      if block then
        return block
      end
      dot = find(host, ".", dot + 1, true)
    end
    return other
  end

  -- Tries the rules from number `first` on. Returns a status, or nil and whether a request that no rule has decided is
  -- let through; nil and nil when no rule of that number is among those that the request meets.
  local function walk(first)
    if first <= last_shared then
      local status = try(shared, first)
      if status then
        return status
      end
      first = nil
    end
    local block = hosts and site()
    if not block then
      if first and first > 1 then
        return nil, nil
      end
      return nil, passes
    end
    if not first or first == 1 then
      first = block.first
    elseif first < block.first or first > block.last then
      return nil, nil
    end
    return try(block, first), block.passes
  end

  function gate.dispatch(shared_block, sites)
    rules = gate.rules
    last_shared = shared_block.last
    shared = block_of(1, last_shared, passes, shared_block.index)
    gate.walk = walk
    if not sites then
      return
    end
    local blocks = {}
    for first, last, default in gmatch(sites.blocks, "(%d+) (%d+) ([a-z]+)\n") do
      local index = sites.indexes[#blocks + 1]
      blocks[#blocks + 1] = block_of(tonumber(first), tonumber(last), default == "pass", index)
    end
    hosts, domains, longest = {}, {}, 0
    for number, host in gmatch(sites.hosts, "(%d+) ([^\n]*)\n") do
      local block = blocks[tonumber(number)]
      local domain = match(host, "^%*(%..*)$")
      if host == "*" then
        other = block
      elseif domain then
        domains[domain] = block
        longest = #domain > longest and #domain or longest
      else
        hosts[host] = block
      end
    end
  end
end


return M
