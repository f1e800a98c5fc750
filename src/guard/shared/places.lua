-- Transfers under way. KEYS[1]: their numbers, each with the time when it is given up. ARGV: what to do (0 leave,
-- 1 stay, 2 enter), the number, how many there may be, and for how long one is believed without a word of it.
-- Answers: whether it is among them (1 or 0).
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local act, limit, lease = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if act == 0 then
  redis.call('ZREM', KEYS[1], ARGV[2])
  return { 0 }
end
if act == 2 and redis.call('ZCARD', KEYS[1]) >= limit then
  return { 0 }
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + lease), ARGV[2])
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lease))
return { 1 }
