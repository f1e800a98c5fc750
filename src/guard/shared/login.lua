-- Failures of one level. KEYS[1]: the entry. ARGV: what to do (0 look, 1 wrong, 2 right), how many failures are
-- allowed, the first and the longest pause, the memory and the trust, all times in milliseconds.
-- Answers: what is left of the pause, the failures, and how long it is proven.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local act, allowed = tonumber(ARGV[1]), tonumber(ARGV[2])
local first, longest = tonumber(ARGV[3]), tonumber(ARGV[4])
local memory, trust = tonumber(ARGV[5]), tonumber(ARGV[6])
local e = redis.call('HMGET', KEYS[1], 'f', 'l', 'u', 'p')
local failures, last = tonumber(e[1]) or 0, tonumber(e[2]) or 0
local till, proven = tonumber(e[3]) or 0, tonumber(e[4]) or 0
if now - math.max(last, till) >= memory then
  failures, last, till = 0, 0, 0
end
if act == 1 and proven <= now then
  failures, last, till = failures + 1, now, 0
  if failures >= allowed then
    till = now + math.min(first * 2 ^ math.min(failures - allowed, 40), longest)
  end
end
if act == 2 then
  proven = now + trust
end
if act ~= 0 then
  local function text(n) return string.format('%.0f', n) end
  redis.call('HSET', KEYS[1], 'f', text(failures), 'l', text(last), 'u', text(till), 'p', text(proven))
  local keep = math.max(math.max(last, till) + memory, proven) - now
  redis.call('PEXPIRE', KEYS[1], text(math.max(keep, 1)))
end
return { math.max(till - now, 0), failures, math.max(proven - now, 0) }
