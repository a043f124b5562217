-- Messages that were delivered (db/store.h): "ready expires reply".
-- KEYS  the row
-- ARGV  now, what (look, put, unheard, forget), reply, seconds until it counts, seconds it is kept
-- gives look: the reply, or nothing; else 1
local now, what = tonumber(ARGV[1]), ARGV[2]
if what == "forget" then
	redis.call("DEL", KEYS[1])
	return 1
end
if what == "put" then
	redis.call("SET", KEYS[1], string.format("%.0f %.0f %s", now + ARGV[4], now + ARGV[5], ARGV[3]), "EX",
	    ARGV[5], "NX")
	return 1
end
local ready, expires, reply = string.match(redis.call("GET", KEYS[1]) or "", "^(%d+) (%d+) (.*)$")
if what == "look" then
	return ready and tonumber(expires) >= now and tonumber(ready) <= now and reply
end
if ready then
	redis.call("SET", KEYS[1], string.format("0 %s %s", expires, reply), "EX",
	    string.format("%.0f", math.max(tonumber(expires) - now, 1)))
end
return 1
