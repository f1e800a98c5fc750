-- The roll of all instances. KEYS[1]: what each said of itself, behind the time when it said so. ARGV: an instance,
-- what it says, and for how many milliseconds that counts.
-- Answers: everything that counts now.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local counts = tonumber(ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local all, answer = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local at, said = string.match(all[i + 1], '^(%d+) (.*)$')
  if at and now - tonumber(at) < counts then
    answer[#answer + 1] = said
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return answer
