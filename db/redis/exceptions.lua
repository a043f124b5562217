-- The exceptions an administrator has made (db/store.h), few: one hash, with "version", "next", and under its number
-- each row as "made expires hits last LENGTH key about", LENGTH being that of the key.
-- KEYS  the hash
-- ARGV  now, what (read, put, drop, hit), then
--       read: the version that is known; put: number, key, about, expires, the most rows; drop: number; hit: number, hits
-- gives read: version, "1" if it is the known one, else "0" and for each row its number and text
--       put, drop: "1" if it was done, number; hit: the same
local now, what = tonumber(ARGV[1]), ARGV[2]
local HEAD = "^(%d+) (%d+) (%d+) (%d+) "

-- From the time on, so that whoever knew the rows before a flush hears of those after it.
local function changed()
	if redis.call("HSETNX", KEYS[1], "version", string.format("%.0f", now)) == 0 then
		redis.call("HINCRBY", KEYS[1], "version", "1")
	end
end

local function rows(f)
	local all = redis.call("HGETALL", KEYS[1])
	for i = 1, #all, 2 do
		if all[i] ~= "version" and all[i] ~= "next" then
			f(all[i], all[i + 1])
		end
	end
end

if what == "read" then
	local version = redis.call("HGET", KEYS[1], "version") or "1"
	local out = { version, version == ARGV[3] and "1" or "0" }
	if version ~= ARGV[3] then
		rows(function(number, text)
			out[#out + 1], out[#out + 2] = number, text
		end)
	end
	return out
end

local number = ARGV[3]
local old = number ~= "version" and number ~= "next" and redis.call("HGET", KEYS[1], number)
local made, expires, hits, last = string.match(old or "", HEAD)

if what == "drop" then
	if not old then
		return { "0", number }
	end
	redis.call("HDEL", KEYS[1], number)
	changed()
	return { "1", number }
end
if what == "hit" then
	if made then
		redis.call("HSET", KEYS[1], number, (string.gsub(old, HEAD, string.format("%s %s %.0f %.0f ", made,
		    expires, hits + ARGV[4], math.max(tonumber(last), now)), 1)))
	end
	return { "1", number }
end

local function full()
	-- Of the fields two are no rows.
	return redis.call("HLEN", KEYS[1]) - 2 >= tonumber(ARGV[7])
end

if not made then
	if full() then
		rows(function(other, text)
			local _, x = string.match(text, HEAD)
			x = tonumber(x)
			if not x or (x > 0 and x <= now) then
				redis.call("HDEL", KEYS[1], other)
			end
		end)
	end
	if full() then
		return { "0", number }
	end
	number = string.format("%.0f", redis.call("HINCRBY", KEYS[1], "next", "1"))
	made, hits, last = string.format("%.0f", now), "0", "0"
end
redis.call("HSET", KEYS[1], number,
    string.format("%s %s %s %s %d %s%s", made, ARGV[6], hits, last, #ARGV[4], ARGV[4], ARGV[5]))
changed()
return { "1", number }
