-- A bucket. KEYS[1]: when it is free of debt, in microseconds. ARGV: what the units cost, what may come at once, and
-- how long somebody waits, all in microseconds.
-- Answers: whether the units were taken (1 or 0), and the wait.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local cost, burst, patience = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local free = math.max(tonumber(redis.call('GET', KEYS[1])) or 0, now)
local after = free + cost
local wait = math.max(after - now - burst, 0)
if wait > patience then
  return { 0, wait }
end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000) + 1)
return { 1, wait }
