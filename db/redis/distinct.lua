-- behind packed.lua
-- DISTINCT (db/store.h) on a sketch of db/sketch.h: its octets and its sums, exactly.
-- KEYS  the sketch
-- ARGV  now, hashes (4 octets each), "1" to change nothing, the seconds a sketch lives
-- gives minute, hour, day
local VERSION, MOST, DAY, STEP_BACK, LEVEL_MAX, AT_MAX, BLOB_MAX = 1, 128, 86400, 3600, 32, 2 ^ 40, 2048

-- Entries are in four arrays, from 1; at[hash] is where that hash is.
local level, n, hash, last, its, at = 0, 0, {}, {}, {}, {}

local function below(h)
	return h < 2 ^ (LEVEL_MAX - level)
end

local function load(blob)
	open(blob)
	if get(VERSION) ~= VERSION then
		return false
	end
	level = get(LEVEL_MAX)
	local entries, newest = get(MOST), get(AT_MAX)
	for i = 1, bad and 0 or entries do
		hash[i] = get(2 ^ 32 - 1)
		last[i] = newest - get(newest)
		its[i] = get(LEVEL_MAX)
		if bad or not below(hash[i]) or at[hash[i]] then
			return false
		end
		at[hash[i]], n = i, i
	end
	return whole()
end

local function save()
	local out, newest = {}, 0
	for i = 1, n do
		newest = math.max(newest, last[i])
	end
	put(out, VERSION)
	put(out, level)
	put(out, n)
	put(out, newest)
	for i = 1, n do
		put(out, hash[i])
		put(out, newest - last[i])
		put(out, its[i])
	end
	return string.char(unpack(out))
end

local function drop(i)
	at[hash[i]] = nil
	if i < n then
		hash[i], last[i], its[i] = hash[n], last[n], its[n]
		at[hash[i]] = i
	end
	n = n - 1
end

local function rise()
	level = level + 1
	for i = n, 1, -1 do
		if not below(hash[i]) then
			drop(i)
		elseif its[i] < level then
			its[i] = level
		end
	end
end

local now, hashes = math.max(0, math.min(tonumber(ARGV[1]), AT_MAX)), ARGV[3] == "1" and "" or ARGV[2]
local blob = redis.call("GET", KEYS[1])
if blob and #blob > 0 and (#blob > BLOB_MAX or not load(blob)) then
	level, n, hash, last, its, at = 0, 0, {}, {}, {}, {}
end
for i = n, 1, -1 do
	if now - last[i] >= DAY or last[i] - now > STEP_BACK then
		drop(i)
	end
end
while level > 0 and n <= MOST / 4 do
	level = level - 1
end
for i = 1, #hashes - 3, 4 do
	local a, b, c, d = string.byte(hashes, i, i + 3)
	local h = ((a * 256 + b) * 256 + c) * 256 + d
	if below(h) then
		local k = at[h]
		if not k then
			n = n + 1
			k = n
		end
		hash[k], last[k], its[k], at[h] = h, now, level, k
		while n > MOST do
			rise()
		end
	end
end
local minute, hour, day = 0, 0, 0
for i = 1, n do
	local age, stands_for = now - last[i], 2 ^ its[i]
	minute = minute + (age < 60 and stands_for or 0)
	hour = hour + (age < 3600 and stands_for or 0)
	day = day + stands_for
end
if #hashes > 0 then
	redis.call("SET", KEYS[1], save(), "EX", ARGV[4])
end
return { minute, hour, day }
