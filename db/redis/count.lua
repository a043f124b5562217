-- behind packed.lua
-- COUNT and TAKE (db/store.h) on a counter of db/window.h: its octets and its sums, exactly.
-- KEYS  the counter; for TAKE also what is held of it (a hash: holder -> "n expires") and the limits that an
--       administrator has set ("burst minute hour day until")
-- ARGV  now, what, n, "1" to change nothing, the seconds a counter lives; for TAKE also holder, lasts, and the
--       question's limits of burst, minute, hour and day
-- gives burst, minute, hour, day; usual, its low and high, hours known, since, past; for TAKE also granted, held, free,
--       the limits in force of burst, minute, hour and day, until
local VERSION, VERSION_HOURS, HOURS_MOST, BLOB_MAX = 2, 1, 25, 4096
local BIN_MAX, EIGHTHS_MAX, AT_MAX, STEP_BACK, DAY = 2 ^ 48, 2 ^ 51, 2 ^ 40, 3600, 86400
local WIDTH, BINS, HOURS = { 10, 120, 1800 }, { 7, 31, 49 }, 168
-- What was held is thrown away so many seconds after its time, when somebody comes by: clocks differ.
local LONG_OVER = 7 * 86400
local min, max = math.min, math.max

-- --- the history: db/history.h ---

-- mean[0] to mean[167] are nil where nothing is known.
local function no_history()
	return { since = 0, hour = 0, n = 0, day = 0, today = 0, past = 0, mean = {}, spread = {} }
end

local function top(h, slot)
	return floor((h.mean[slot] + 2 * h.spread[slot] + 7) / 8)
end

local function highest(h)
	local most = 0
	for slot in pairs(h.mean) do
		most = max(most, top(h, slot))
	end
	return most
end

local function fold(h)
	local slot, x, grown = h.hour % HOURS, h.n, h.hour - h.since >= HOURS
	local mean, spread = h.mean[slot], h.spread[slot]
	h.n, h.changed = 0, true
	if not mean then
		local most = grown and highest(h) or 0
		if most > 0 then
			x = min(x, most)
		end
		h.mean[slot], h.spread[slot] = 8 * x, 4 * x
		if most > 0 then
			h.spread[slot] = min(4 * x, floor((8 * most - 8 * x) / 2))
		end
		return
	end
	if grown then
		x = min(x, 2 * top(h, slot))
	end
	h.spread[slot] = floor((3 * spread + math.abs(8 * x - mean)) / 4)
	h.mean[slot] = floor((3 * mean + 8 * x) / 4)
end

local function history_add(h, at, n)
	local hour, day = floor(at / 3600), floor(at / DAY)
	if h.n > 0 and hour > h.hour then
		fold(h)
	end
	if hour < h.hour then
		h.n = 0
	end
	h.since = min(h.since, hour)
	if day > h.day then
		local k = min(day - h.day, 1500)
		h.past = min(h.past + 32 * h.today, BIN_MAX)
		while k > 0 and h.past > 0 do
			h.past = floor(h.past * 31 / 32)
			k = k - 1
		end
	end
	if day ~= h.day then
		h.today = 0
	end
	h.day = day
	if n <= 0 then
		return
	end
	if h.since == 0 then
		h.since = hour
	end
	h.hour = hour
	h.n = min(h.n + n, BIN_MAX)
	h.today = min(h.today + n, BIN_MAX)
end

-- usual, low, high
local function usual_at(h, hour)
	local usual, low, high = 0, 0, 0
	local function widen(at)
		local slot = at % HOURS
		local mean, spread = h.mean[slot], h.spread[slot]
		if not mean then
			return
		end
		local least = mean > 2 * spread and floor((mean - 2 * spread) / 8) or 0
		if usual == 0 or least < low then
			low = least
		end
		high = max(high, top(h, slot))
		usual = max(usual, mean)
	end
	local function around(at)
		widen(at - 1)
		widen(at)
		widen(at + 1)
	end
	if not next(h.mean) then
		return 0, 0, 0
	end
	if h.mean[hour % HOURS] then
		around(hour)
		return usual, low, high
	end
	local any = false
	for day = 0, 6 do
		any = any or h.mean[(hour + day * 24) % HOURS] ~= nil
	end
	for day = 0, any and 6 or -1 do
		around(hour + day * 24)
	end
	for slot = 0, any and -1 or HOURS - 1 do
		widen(slot)
	end
	return usual, low, high
end

-- --- the blob ---

-- A window: `at`, its history, and for each span its bins that are not empty, newest first (number since 1970, count,
-- number, ...).
local function empty()
	return { at = 0, history = no_history(), {}, {}, {} }
end

local function load(blob)
	if not blob or #blob == 0 or #blob > BLOB_MAX then
		return empty()
	end
	open(blob)
	-- used of them, from `first` back, none further back than `most`
	local function list(used, first, most)
		local out, at = {}, 0
		for i = 1, used do
			local back = get(most - at)
			at = at + back
			out[2 * i - 1], out[2 * i] = first - at, get(BIN_MAX)
			if bad or (i > 1 and back == 0) or out[2 * i] == 0 then
				bad = true
				break
			end
		end
		return out
	end
	local function history()
		local h = no_history()
		h.since, h.hour, h.n = get(AT_MAX), get(AT_MAX), get(BIN_MAX)
		h.day, h.today, h.past = get(AT_MAX), get(BIN_MAX), get(BIN_MAX)
		h.from = p + 1
		local slot = 0
		for _ = 1, get(HOURS / 2) do
			slot = slot + get(HOURS - slot)
			for _ = 1, get(HOURS - slot) do
				local mean = get(EIGHTHS_MAX)
				h.mean[slot], h.spread[slot] = mean, get(EIGHTHS_MAX)
				slot = slot + 1
				if mean == 0 then
					bad = true
				end
			end
			if bad then
				break
			end
		end
		return h
	end
	local version = get(VERSION)
	local w = { at = get(AT_MAX), blob = blob }
	for s = 1, 3 do
		w[s] = list(get(BINS[s]), floor(w.at / WIDTH[s]), BINS[s] - 1)
	end
	if version == VERSION then
		w.history = history()
	else
		local hour = floor(w.at / 3600)
		local hours = list(get(HOURS_MOST), hour, hour)
		w.history = no_history()
		for i = #hours - 1, bad and #hours or 1, -2 do
			history_add(w.history, hours[i] * 3600, hours[i + 1])
		end
		w.history.changed = true
	end
	if not whole() or version < VERSION_HOURS then
		return empty()
	end
	return w
end

local function save(w)
	local out = { VERSION }
	local function slots(h)
		local runs, run, after = {}, nil, 0
		for slot = 0, HOURS - 1 do
			if not h.mean[slot] then
				run = nil
			elseif run then
				run[2] = run[2] + 1
			else
				run = { slot, 1 }
				runs[#runs + 1] = run
			end
		end
		put(out, #runs)
		for _, r in ipairs(runs) do
			put(out, r[1] - after)
			put(out, r[2])
			for slot = r[1], r[1] + r[2] - 1 do
				put(out, h.mean[slot])
				put(out, h.spread[slot])
			end
			after = r[1] + r[2]
		end
	end
	put(out, w.at)
	for s = 1, 3 do
		local bins, first = w[s], floor(w.at / WIDTH[s])
		put(out, #bins / 2)
		for i = 1, #bins, 2 do
			put(out, first - bins[i])
			put(out, bins[i + 1])
			first = bins[i]
		end
	end
	local h = w.history
	put(out, h.since)
	put(out, h.hour)
	put(out, h.n)
	put(out, h.day)
	put(out, h.today)
	put(out, h.past)
	-- Slots change once an hour: mostly their octets are what they were.
	if h.from and not h.changed then
		return string.char(unpack(out)) .. string.sub(w.blob, h.from)
	end
	slots(h)
	return string.char(unpack(out))
end

-- --- counting ---

local function drop_newest(bins, above)
	while bins[1] and bins[1] > above do
		table.remove(bins, 1)
		table.remove(bins, 1)
	end
end

local function drop_oldest(bins, below)
	while bins[1] and bins[#bins - 1] < below do
		bins[#bins] = nil
		bins[#bins] = nil
	end
end

local function advance(w, now)
	now = max(0, min(now, AT_MAX))
	if now <= w.at and w.at - now <= STEP_BACK then
		return
	end
	for s = 1, 3 do
		local base = floor(now / WIDTH[s])
		drop_newest(w[s], base)
		drop_oldest(w[s], base - BINS[s] + 1)
	end
	w.at = now
end

local function add(w, now, n)
	advance(w, now)
	history_add(w.history, w.at, n)
	for s = 1, n > 0 and 3 or 0 do
		local bins, bin = w[s], floor(w.at / WIDTH[s])
		if bins[1] == bin then
			bins[2] = min(bins[2] + n, BIN_MAX)
		else
			table.insert(bins, 1, min(n, BIN_MAX))
			table.insert(bins, 1, bin)
		end
	end
end

-- The spans by name: which bins, and how many of the newest.
local SPAN = { { 1, 2 }, { 1, BINS[1] }, { 2, BINS[2] }, { 3, BINS[3] } }

local function sum(w, span)
	local bins, total = w[SPAN[span][1]], 0
	local oldest = floor(w.at / WIDTH[SPAN[span][1]]) - SPAN[span][2]
	for i = 1, #bins, 2 do
		if bins[i] > oldest then
			total = total + bins[i + 1]
		end
	end
	return total
end

local function totals(w)
	local h, known = w.history, 0
	local usual, low, high = usual_at(h, floor(w.at / 3600))
	for _ in pairs(h.mean) do
		known = known + 1
	end
	return { sum(w, 1), sum(w, 2), sum(w, 3), sum(w, 4), usual, low, high, known, h.since * 3600, h.past }
end

local now, what, n, read_only = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4] == "1"
local w = load(redis.call("GET", KEYS[1]))
local counted = 0

if not read_only and (what == "count" or what == "settle") then
	counted = n
end
add(w, now, counted)
if counted > 0 then
	redis.call("SET", KEYS[1], save(w), "EX", ARGV[5])
end
if what == "count" then
	return totals(w)
end

-- --- TAKE: what others hold, the limits, and whether there is room ---

local holder, lasts = ARGV[6], tonumber(ARGV[7])
local limit, until_ = {}, 0
for span = 1, 4 do
	limit[span] = tonumber(ARGV[7 + span])
end
local holds, held, over = redis.call("HGETALL", KEYS[2]), 0, {}
for i = 1, #holds, 2 do
	local m, expires = string.match(holds[i + 1], "^(%-?%d+) (%-?%d+)$")
	expires = tonumber(expires) or 0
	if expires > now and holds[i] ~= holder then
		held = held + tonumber(m)
	elseif now - expires > LONG_OVER and #over < 100 then
		over[#over + 1] = holds[i]
	end
end
held = min(held, BIN_MAX)
if #over > 0 and not read_only then
	redis.call("HDEL", KEYS[2], unpack(over))
end
local set = redis.call("GET", KEYS[3])
if set then
	local burst, minute, hour, day, last = string.match(set, "^(%d+) (%d+) (%d+) (%d+) (%-?%d+)$")
	if last and tonumber(last) > now then
		limit = { tonumber(burst), tonumber(minute), tonumber(hour), tonumber(day) }
		until_ = tonumber(last)
	end
end

-- Seconds until the sum has fallen by `excess`: the oldest bins go first, the present one last.
local function wait_for(span, excess)
	local s, count = SPAN[span][1], SPAN[span][2]
	local bins, present = w[s], floor(w.at / WIDTH[s])
	local gone = present
	for i = #bins - 1, 1, -2 do
		if bins[i] > present - count then
			excess = excess - bins[i + 1]
			if excess <= 0 then
				gone = bins[i]
				break
			end
		end
	end
	return max(1, (gone + count) * WIDTH[s] - now)
end

local granted, free, never = 1, 0, false
if what == "hold" or what == "look" then
	for span = 1, 4 do
		local used, most = sum(w, span) + held, limit[span]
		if most ~= 0 and n > most then
			granted, never = 0, true
		elseif most ~= 0 and used > most - n then
			granted = 0
			free = max(free, wait_for(span, used - (most - n)))
		end
	end
end
if what == "reset" then
	local h = w.history
	h.n, h.today = 0, 0
	w[1], w[2], w[3] = {}, {}, {}
	if h.since > 0 and not read_only then
		redis.call("SET", KEYS[1], save(w), "EX", ARGV[5])
	end
end
local out = totals(w)
out[11], out[12], out[13] = granted, held, never and 0 or free
out[14], out[15], out[16], out[17], out[18] = limit[1], limit[2], limit[3], limit[4], until_

if read_only then
	return out
end
if what == "keep" or (what == "hold" and granted == 1) then
	redis.call("HSET", KEYS[2], holder, string.format("%s %.0f", ARGV[3], now + lasts))
	redis.call("EXPIRE", KEYS[2], ARGV[5])
elseif what == "settle" or what == "free" then
	redis.call("HDEL", KEYS[2], holder)
elseif what == "allow" and lasts > 0 then
	redis.call("SET", KEYS[3], string.format("%s %s %s %s %.0f", ARGV[8], ARGV[9], ARGV[10], ARGV[11],
	    now + lasts), "EX", string.format("%.0f", lasts + 3600))
elseif what == "allow" then
	redis.call("DEL", KEYS[3])
elseif what == "reset" then
	redis.call("DEL", KEYS[2])
end
return out
