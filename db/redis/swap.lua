-- Puts a row in the place of what was read before, unless somebody has written meanwhile.
-- KEYS  the row
-- ARGV  "1" if there was one, what it was, what it is to be, the seconds it lives
-- gives 1: done
local there = redis.call("GET", KEYS[1])
if (there and "1" or "0") ~= ARGV[1] or (there and there ~= ARGV[2]) then
	return 0
end
redis.call("SET", KEYS[1], ARGV[3], "EX", ARGV[4])
return 1
