-- What an MTA does with a milter, one case after the other; run by miltertest with the globals
-- `address` (the milter's socket) and `hostname` (ours). Prints "ok - NAME" or "not ok - NAME: why".

local SENDER, RECIPIENT = "<a@other.test>", "<bob@example.org>"

local function check(problem, what)
	if problem ~= nil then
		error(what .. ": " .. tostring(problem), 0)
	end
end

local function expect(conn, reply, what)
	if mt.getreply(conn) ~= reply then
		error(what .. ": the reply is " .. string.char(mt.getreply(conn)), 0)
	end
end

local function truth(value, what)
	if not value then
		error(what, 0)
	end
end

local function connect(ip)
	local conn = mt.connect(address)
	truth(conn, "no connection")
	check(mt.conninfo(conn, "client.test", ip or "192.0.2.7"), "conninfo")
	check(mt.helo(conn, "client.test"), "helo")
	return conn
end

local function envelope(conn, sender, recipient)
	check(mt.mailfrom(conn, sender or SENDER), "mailfrom")
	expect(conn, SMFIR_CONTINUE, "mailfrom")
	check(mt.rcptto(conn, recipient or RECIPIENT), "rcptto")
end

local function content(conn, fields)
	for _, field in ipairs(fields or {}) do
		check(mt.header(conn, field[1], field[2]), field[1])
	end
	check(mt.header(conn, "From", "a@other.test"), "From")
	check(mt.eoh(conn), "eoh")
	check(mt.bodystring(conn, "Hello\r\n"), "body")
	check(mt.eom(conn), "eom")
end

local function whole(conn)
	envelope(conn)
	expect(conn, SMFIR_CONTINUE, "rcptto")
	content(conn)
	truth(mt.getreply(conn) == SMFIR_CONTINUE or mt.getreply(conn) == SMFIR_ACCEPT, "eom")
	truth(mt.eom_check(conn, MT_HDRINSERT, "Authentication-Results"), "no results were inserted")
end

local cases = {
	{ "only the header is asked to be changed", function(conn)
		for _, action in ipairs({ SMFIF_ADDHDRS, SMFIF_CHGHDRS }) do
			truth(mt.test_action(conn, action), "an action is missing")
		end
		for _, action in ipairs({ SMFIF_CHGBODY, SMFIF_ADDRCPT, SMFIF_DELRCPT,
			SMFIF_QUARANTINE }) do
			truth(not mt.test_action(conn, action), "an action too many")
		end
	end },
	{ "a message passes and gets its results on top", function(conn)
		whole(conn)
		local value = mt.getheader(conn, "Authentication-Results", 0)
		truth(value and string.find(value, hostname, 1, true), "not ours: " .. tostring(value))
	end },
	{ "three messages on one connection", function(conn)
		for _ = 1, 3 do
			whole(conn)
		end
	end },
	{ "forged results are removed", function(conn)
		envelope(conn)
		content(conn, { { "Authentication-Results", hostname .. "; spf=pass" },
			{ "Authentication-Results", "other.example; spf=pass" } })
		truth(mt.eom_check(conn, MT_HDRDELETE, "Authentication-Results"), "nothing was removed")
	end },
	{ "those of others are left", function(conn)
		envelope(conn)
		content(conn, { { "Authentication-Results", "other.example; spf=pass" } })
		truth(not mt.eom_check(conn, MT_HDRDELETE), "something was removed")
	end },
	{ "an abort after MAIL, and the next message", function(conn)
		check(mt.mailfrom(conn, SENDER), "mailfrom")
		check(mt.abort(conn), "abort")
		whole(conn)
	end },
	{ "an abort within the body, and the next message", function(conn)
		envelope(conn)
		check(mt.header(conn, "From", "a@other.test"), "From")
		check(mt.eoh(conn), "eoh")
		check(mt.bodystring(conn, "Hello\r\n"), "body")
		check(mt.abort(conn), "abort")
		whole(conn)
	end },
	{ "two aborts in a row", function(conn)
		check(mt.mailfrom(conn, SENDER), "mailfrom")
		check(mt.abort(conn), "abort")
		check(mt.abort(conn), "abort")
		whole(conn)
	end },
	{ "a refused sender, and the next message", function(conn)
		check(mt.mailfrom(conn, "<a@reject.mail.test>"), "mailfrom")
		expect(conn, SMFIR_REPLYCODE, "mailfrom")
		check(mt.abort(conn), "abort")
		whole(conn)
	end },
	{ "a refused recipient, and another of the same message", function(conn)
		envelope(conn, "<a@reject.rcpt.test>")
		expect(conn, SMFIR_REPLYCODE, "rcptto")
		check(mt.rcptto(conn, "<second@example.org>"), "rcptto")
		expect(conn, SMFIR_REPLYCODE, "rcptto")
		check(mt.abort(conn), "abort")
		whole(conn)
	end },
	{ "a message that is refused at its end, and the next", function(conn)
		envelope(conn, "<a@tempfail.message.test>")
		content(conn)
		expect(conn, SMFIR_REPLYCODE, "eom")
		truth(not mt.eom_check(conn, MT_HDRINSERT), "a refused message was changed")
		whole(conn)
	end },
	{ "HELO once more", function(conn)
		check(mt.helo(conn, "other.test"), "helo")
		whole(conn)
	end },
	{ "no header, no body", function(conn)
		envelope(conn)
		check(mt.eoh(conn), "eoh")
		check(mt.eom(conn), "eom")
		truth(mt.eom_check(conn, MT_HDRINSERT, "Authentication-Results"), "no results")
	end },
	{ "a body in many pieces", function(conn)
		envelope(conn)
		check(mt.header(conn, "From", "a@other.test"), "From")
		check(mt.eoh(conn), "eoh")
		check(mt.bodyrandom(conn, 500000), "body")
		check(mt.eom(conn), "eom")
		truth(mt.eom_check(conn, MT_HDRINSERT, "Authentication-Results"), "no results")
	end },
	{ "the null sender", function(conn)
		envelope(conn, "<>")
		content(conn)
		truth(mt.eom_check(conn, MT_HDRINSERT, "Authentication-Results"), "no results")
	end },
	{ "paths that are none", function(conn)
		envelope(conn, "root", "postmaster")
		expect(conn, SMFIR_CONTINUE, "rcptto")
		content(conn)
		truth(mt.eom_check(conn, MT_HDRINSERT, "Authentication-Results"), "no results")
	end },
	{ "a client by IPv6", whole, "2001:db8::7" },
	{ "a client without an address", whole, "unspec" },
}

for _, case in ipairs(cases) do
	local name, run, ip = case[1], case[2], case[3]
	local conn
	local done, why = pcall(function()
		conn = connect(ip)
		run(conn)
	end)
	if conn then
		mt.disconnect(conn, done)
	end
	mt.echo((done and "ok - " or "not ok - ") .. name .. (done and "" or ": " .. tostring(why)))
end

-- Left alone at each point.
for _, after in ipairs({ "helo", "mail", "rcpt", "body" }) do
	local conn = connect()
	if after ~= "helo" then
		mt.mailfrom(conn, SENDER)
	end
	if after == "rcpt" or after == "body" then
		mt.rcptto(conn, RECIPIENT)
	end
	if after == "body" then
		mt.header(conn, "From", "a@other.test")
		mt.eoh(conn)
		mt.bodystring(conn, "Hello\r\n")
	end
	mt.disconnect(conn, false)
	local next_one = connect()
	local done, why = pcall(whole, next_one)
	mt.disconnect(next_one)
	mt.echo((done and "ok - " or "not ok - ") .. "an MTA that is gone after " .. after ..
		(done and "" or ": " .. tostring(why)))
end
