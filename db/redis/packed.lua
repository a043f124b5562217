-- Numbers in few octets: db/packed.h. embed.sh puts it in front of the scripts that say `-- behind packed.lua`; each reads one blob.
local floor = math.floor
local byte, p, bad = {}, 0, false

local function open(blob)
	byte, p, bad = { string.byte(blob, 1, -1) }, 0, false
end

-- The next one; 0 and bad when there is none, or a larger one than that.
local function get(most)
	local b = byte[p + 1]
	if b and b < 128 and b <= most then
		p = p + 1
		return b
	end
	local number, scale = 0, 1
	for _ = 1, 9 do
		p = p + 1
		b = byte[p]
		if not b then
			break
		end
		if b < 128 then
			number = number + b * scale
			if number > most then
				break
			end
			return number
		end
		number = number + (b - 128) * scale
		scale = scale * 128
	end
	bad = true
	return 0
end

-- All of it was read, and was numbers.
local function whole()
	return not bad and p == #byte
end

-- Onto the octets in out.
local function put(out, number)
	while number >= 128 do
		out[#out + 1] = number % 128 + 128
		number = floor(number / 128)
	end
	out[#out + 1] = number
end

