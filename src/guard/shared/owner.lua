-- Whose a token is. KEYS[1]: the account as three numbers. ARGV: those numbers and for how many milliseconds they are
-- good; no time only looks.
-- Answers: the numbers, or none.
if tonumber(ARGV[4]) > 0 then
  redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3], 'PX', ARGV[4])
end
local answer = {}
for part in string.gmatch(redis.call('GET', KEYS[1]) or '', '%d+') do
  answer[#answer + 1] = tonumber(part)
end
return answer
