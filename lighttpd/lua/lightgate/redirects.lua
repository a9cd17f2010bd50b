-- redirects.lua: where paths have moved, many of them, found with one lookup.
--
-- new(packed): three lines for each path: the path, its target, a status. A path that ends in `*` stands for all that
-- begin so; a target that ends in `*` gets what follows there. find(moved, path) returns target, what follows (or
-- nil) and status, or nil. A path as a whole counts before one with `*`, and of those the longest.

local byte, gmatch, sub = string.byte, string.gmatch, string.sub
local sort, tonumber = table.sort, tonumber

local STAR = 42

local M = {}


function M.new(packed)
  local whole, begins, lengths, has_length = {}, {}, {}, {}
  local statuses, usual = {}, nil -- of the paths whose status is not that of the first
  for path, target, status in gmatch(packed, "([^\n]*)\n([^\n]*)\n([^\n]*)\n") do
    status = tonumber(status)
    usual = usual or status
    if status ~= usual then
      statuses[path] = status
    end
    if byte(path, -1) == STAR then
      begins[sub(path, 1, -2)] = target
      local length = #path - 1
      if not has_length[length] then
        has_length[length] = true
        lengths[#lengths + 1] = length
      end
    else
      whole[path] = target
    end
  end
  sort(lengths, function(one, other) return one > other end)
  return { whole = whole, begins = begins, lengths = lengths, statuses = statuses, usual = usual }
end


function M.find(moved, path)
  local target = moved.whole[path]
  if target then
    return target, nil, moved.statuses[path] or moved.usual
  end
  local lengths, begins, size = moved.lengths, moved.begins, #path
  for i = 1, #lengths do
    local length = lengths[i]
    if length <= size then
      local start = sub(path, 1, length)
      target = begins[start]
      if target then
        local status = moved.statuses[start .. "*"] or moved.usual
        if byte(target, -1) == STAR then
          return sub(target, 1, -2), sub(path, length + 1), status
        end
        return target, nil, status
      end
    end
  end
  return nil
end


return M
