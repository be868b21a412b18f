-- Sends GET requests for one path, with the cookies of a file in turn.
-- Arguments: the file, with one cookie per line; the number of threads.
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local requests, at = {}, 0

function init(args)
  for cookie in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", nil, { Cookie = cookie })
  end
  at = math.floor(number * #requests / tonumber(args[2]))
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout,
    latency:percentile(50), latency:percentile(99)))
end
