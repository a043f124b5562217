-- SEEN (db/store_sqlite.h says what it does) on one row: "first last hits proven expires".
-- KEYS  the row
-- ARGV  now, delay, retry, remember, what (see, prove, look, forget), "1" to change nothing
-- gives the state (0 never, 1 first, 2 early, 3 retried, 4 proven), first, last, hits, wait
local NEVER, FIRST, EARLY, RETRIED, PROVEN = 0, 1, 2, 3, 4
-- A row is kept for so long beyond its time: clocks differ.
local SLACK = 3600
local now, delay, retry = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local remember, what, read_only = tonumber(ARGV[4]), ARGV[5], ARGV[6] == "1"
local state, first, last, hits, wait = FIRST, now, 0, 0, delay
local row, row_first, proven, expires = redis.call("GET", KEYS[1])

if row then
	local f, l, h, p, x = string.match(row, "^(%-?%d+) (%-?%d+) (%d+) ([01]) (%-?%d+)$")
	if f then
		row_first, proven, expires = tonumber(f), p == "1", tonumber(x)
		local age = now - row_first
		local gone = age > retry
		if proven then
			gone = expires < now
		end
		if not gone then
			first, last, hits, wait = row_first, tonumber(l), tonumber(h), 0
			if proven then
				state = PROVEN
			elseif age >= delay then
				state = RETRIED
			else
				state, wait = EARLY, delay - math.max(age, 0)
			end
		end
	end
end

local function put(f, h, p, x)
	redis.call("SET", KEYS[1], string.format("%.0f %.0f %.0f %s %.0f", f, now, h, p, x), "EX",
	    string.format("%.0f", math.max(x - now, 0) + SLACK))
end

if what == "look" or what == "forget" then
	if what == "forget" and row and not read_only then
		redis.call("DEL", KEYS[1])
	end
	if state == FIRST then
		return { NEVER, 0, 0, 0, 0 }
	end
	return { state, first, last, hits, wait }
end
if what == "prove" and state ~= PROVEN then
	state = RETRIED
end
if read_only then
	return { state, first, last, hits, wait }
end
if state == FIRST then
	put(now, 0, "0", now + retry)
elseif state == EARLY and row_first <= now then
	put(row_first, hits, "0", expires)
elseif state == EARLY then
	-- The clock was set back: the wait begins now, not in the future.
	put(now, hits, "0", now + retry)
else
	local x = now + remember
	hits, wait = state == PROVEN and hits + 1 or 1, 0
	if state == PROVEN and expires > x then
		x = expires
	end
	put(first, hits, "1", x)
end
return { state, first, last, hits, wait }
