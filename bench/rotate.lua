-- For wrk: asks for one path with the credentials of a file in turn, one a line.
--
--   wrk … -s rotate.lua URL -- CREDENTIALS_FILE
--
-- Requests are made before the run, so that the run itself is a table access a request.

local requests, position = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("GET", nil, { Host = "gate.example", Authorization = "Bearer " .. line })
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end
