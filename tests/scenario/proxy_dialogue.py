"""What a client hears from the proxy front, verb by verb."""

import socket
import time

import play
from play import Client, stuffed
from world import Cases

MESSAGE = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: x\r\n\r\nHello\r\n"

RULES = """
at mail {
    reject 550 5.7.1 "Sender blocked" if sender is "blocked@example.net"
    tempfail 451 4.7.1 "Sender later" if sender is "later@example.net"
}
at rcpt {
    reject 550 5.7.1 "Recipient blocked" if recipient is "blocked@example.org"
    tempfail 451 4.7.1 "Recipient later" if recipient is "later@example.org"
}
"""

CASES = Cases()


def with_options(rules=RULES, **options):
    return CASES.with_world(rules=rules, **options)


case = with_options()


@case
def one_message(mta, postern):
    "a message reaches the MTA with our fields in front and nothing else changed"
    c = Client(postern)
    c.hello()
    c.envelope()
    assert c.data(stuffed(MESSAGE)) == 250
    c.say("QUIT", 221)
    c.expect_end()
    assert len(mta.taken) == 1
    t = mta.taken[0]
    assert t.octets.startswith(b"Received: from client.example ([127.0.0.1])\r\n\tby mx.example.org with ESMTP id "), t.octets
    assert b"\r\n\tfor <b@example.org>;\r\n" in t.octets
    assert b"Authentication-Results: mx.example.org" in t.octets
    assert t.ours() == MESSAGE, t.ours()
    assert t.mail == b"MAIL FROM:<a@example.net>" and t.rcpts == [b"RCPT TO:<b@example.org>"]


@case
def relayed_replies(mta, postern):
    "the MTA's replies are relayed word for word"
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    mta.says["RCPT"] = b"550-5.1.1 No\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n"
    got = c.say("RCPT TO:<nobody@example.org>", 550)
    assert got == mta.says["RCPT"], got
    mta.says["RCPT"] = b"452 4.2.2 Full\r\n"
    assert c.say("RCPT TO:<full@example.org>", 452) == mta.says["RCPT"]
    c.say("DATA", 554)
    mta.says["RCPT"] = b"250 2.1.5 Fine\r\n"
    assert c.say("RCPT TO:<b@example.org>", 250) == mta.says["RCPT"]
    mta.says["DOT"] = b"250-2.0.0 Yes\r\n250 queued as XYZ\r\n"
    c.say("DATA", 354)
    c.send(stuffed(MESSAGE))
    assert c.expect(250) == mta.says["DOT"]
    c.close()


@case
def several_messages(mta, postern):
    "several messages in a session use one connection to the MTA"
    before = mta.connections
    c = Client(postern)
    c.hello()
    for i in range(3):
        c.envelope()
        assert c.data(stuffed(MESSAGE)) == 250
    c.close()
    assert len(mta.taken) == 3
    assert mta.connections - before <= 1, mta.connections


@case
def ehlo(mta, postern):
    "EHLO offers what both of us carry, and HELO nothing"
    c = Client(postern)
    lines = c.hello().split(b"\r\n")
    assert lines == [b"250-mx.example.org", b"250-PIPELINING", b"250-SIZE 52428800",
                     b"250-8BITMIME", b"250-CHUNKING", b"250-LIMITS RCPTMAX=1000", b"250 ENHANCEDSTATUSCODES", b""], lines
    assert c.say("HELO client.example", 250) == b"250 mx.example.org\r\n"
    c.say("EHLO", 501)
    c.say("EHLO foo bar", 501)
    c.say("HELO a!b", 501)
    c.say("EHLO [127.0.0.1]", 250)
    c.close()


@case
def sequence(mta, postern):
    "commands out of order are refused and do no harm"
    c = Client(postern)
    c.say("MAIL FROM:<a@example.net>", 503, b"5.5.1")
    c.say("RCPT TO:<b@example.org>", 503)
    c.say("DATA", 503)
    c.hello()
    c.say("RCPT TO:<b@example.org>", 503)
    c.say("DATA", 503)
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("MAIL FROM:<a@example.net>", 503)
    c.say("DATA", 554, b"5.5.1")
    c.say("RCPT TO:<b@example.org>", 250)
    assert c.data(stuffed(MESSAGE)) == 250
    c.say("DATA", 503)
    c.close()
    assert len(mta.taken) == 1


@case
def small_verbs(mta, postern):
    "RSET, NOOP, HELP, VRFY, EXPN and what is not offered"
    c = Client(postern)
    c.hello()
    c.say("NOOP", 250)
    c.say("noop something", 250)
    c.say("HELP", 214)
    c.say("VRFY joe", 252, b"2.1.5")
    c.say("RSET", 250)
    c.say("RSET now", 501)
    c.say("EXPN joe", 502)
    c.say("STARTTLS", 502)
    c.say("AUTH PLAIN AGEAYg==", 502)
    c.say("XCLIENT ADDR=192.0.2.1", 550, b"5.7.0")
    c.say("XFORWARD ADDR=192.0.2.1", 502)
    c.say("ETRN x", 502)
    c.say("FNORD", 500, b"5.5.2")
    c.say("", 500)
    c.close()


@case
def rset(mta, postern):
    "RSET ends a transaction here and at the MTA"
    c = Client(postern)
    c.hello()
    c.envelope("first@example.net")
    c.say("RSET", 250)
    c.say("RCPT TO:<b@example.org>", 503)
    c.envelope("second@example.net")
    assert c.data(stuffed(MESSAGE)) == 250
    c.close()
    assert [t.mail for t in mta.taken] == [b"MAIL FROM:<second@example.net>"]
    assert b"RSET" in mta.lines


@case
def helo_ends_transaction(mta, postern):
    "EHLO ends a transaction"
    c = Client(postern)
    c.hello()
    c.envelope()
    c.hello()
    c.say("DATA", 503)
    c.say("RCPT TO:<b@example.org>", 503)
    c.close()


@case
def mail_syntax(mta, postern):
    "what is wrong around an address has another code than what is wrong with it"
    c = Client(postern)
    assert b"5.5.4" not in c.say("EHLO a b", 501)
    c.hello()
    for wrong in ("", " FROM:", " FROM:<> =", " FROM:<> SIZE=1 SIZE=1", " FROM:<> SIZE=", " FROM:<> SIZE=-1",
                  " FROM:<> SIZE=999999999999999999999"):
        c.say("MAIL" + wrong, 501, b"5.5.4")
    c.close()


@case
def mail_parameters(mta, postern):
    "parameters of MAIL and RCPT"
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net> SIZE=99999999999", 552, b"5.3.4")
    c.say("MAIL FROM:<a@example.net> SIZE=99999999999999999999", 552, b"5.3.4")
    c.say("MAIL FROM:<a@example.net> SIZE=x", 501, b"5.5.4")
    c.say("MAIL FROM:<a@example.net> BODY=BINARYMIME", 555)
    c.say("MAIL FROM:<a@example.net> RET=FULL", 555, b"5.5.4")
    c.say("MAIL FROM:<a@example.net> SMTPUTF8", 555)
    c.say("MAIL FROM:a@example.net", 501, b"5.1.7")
    c.say("MAIL FROM:<a@example.net", 501, b"5.1.7")
    c.say(b"MAIL FROM:<\xc3\xa4@example.net>", 553, b"5.6.7")
    c.say("MAIL FROM:<a@example.net> SIZE=100 BODY=8BITMIME", 250)
    c.say("RCPT TO:<b@example.org> NOTIFY=NEVER", 555)
    c.say("RCPT TO:<b@example.org>", 250)
    c.close()
    assert b"MAIL FROM:<a@example.net> SIZE=100 BODY=8BITMIME" in mta.lines, mta.lines


@with_options(mta={"ehlo": ()})
def no_extension_lies(mta, postern):
    "SIZE is not passed to an MTA that does not offer it"
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<> SIZE=100", 250)
    c.say("RCPT TO:<b@example.org>", 250)
    c.close()
    assert b"MAIL FROM:<>" in mta.lines, mta.lines


@case
def eightbit_gone(mta, postern):
    "8BITMIME that the MTA lost since is a 451, not a lie"
    mta.ehlo = [b"SIZE 1000"]
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net> BODY=8BITMIME", 250)
    c.say("RCPT TO:<b@example.org>", 451)
    assert b"8BITMIME" not in c.hello()
    c.close()


@case
def rules_refuse(mta, postern):
    "rules refuse at mail and rcpt, and the MTA never hears of it"
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<blocked@example.net>", 550, b"5.7.1 Sender blocked [")
    c.say("RCPT TO:<b@example.org>", 503)
    c.say("MAIL FROM:<later@example.net>", 451, b"4.7.1 Sender later [")
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<blocked@example.org>", 550, b"Recipient blocked")
    c.say("RCPT TO:<later@example.org>", 451, b"Recipient later")
    c.say("DATA", 554)
    c.say("QUIT", 221)
    c.close()
    assert mta.lines == [], mta.lines


@case
def pipelining(mta, postern):
    "a pipelined group is answered in order"
    c = Client(postern)
    c.hello()
    c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<blocked@example.org>\r\n"
           b"RCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n")
    for code in (250, 550, 250, 250, 354):
        c.expect(code)
    c.send(stuffed(MESSAGE) + b"MAIL FROM:<d@example.net>\r\nRSET\r\nQUIT\r\n")
    for code in (250, 250, 250, 221):
        c.expect(code)
    c.expect_end()
    assert mta.taken[0].rcpts == [b"RCPT TO:<b@example.org>", b"RCPT TO:<c@example.org>"]
    # Two recipients must not learn of each other.
    assert b"\r\n\tfor <" not in mta.taken[0].octets


@case
def octet_by_octet(mta, postern):
    "a session that arrives octet by octet is the same session"
    c = Client(postern)
    for octet in (b"EHLO client.example\r\nMAIL FROM:<a@example.net>\r\n"
                  b"RCPT TO:<b@example.org>\r\nDATA\r\n"):
        c.send(bytes([octet]))
    for code in (250, 250, 250, 354):
        c.expect(code)
    for octet in stuffed(b"A: 1\r\n\r\n.dot\r\n..\r\n") + b"QUIT\r\n":
        c.send(bytes([octet]))
    c.expect(250)
    c.expect(221)
    c.close()
    assert mta.taken[0].ours() == b"A: 1\r\n\r\n.dot\r\n..\r\n", mta.taken[0].ours()


@case
def data_in_one_packet(mta, postern):
    "DATA with the message behind it is one message, and never commands"
    c = Client(postern)
    c.hello()
    c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
           b"A: 1\r\n\r\nMAIL FROM:<evil@example.net>\r\n.\r\n")
    for code in (250, 250, 354, 250):
        c.expect(code)
    c.say("QUIT", 221)
    assert [t.ours() for t in mta.taken] == [b"A: 1\r\n\r\nMAIL FROM:<evil@example.net>\r\n"]


@case
def refused_data_in_one_packet(mta, postern):
    "a message behind a refused DATA is not run as commands"
    for before in ("", "MAIL FROM:<a@example.net>\r\nRCPT TO:<blocked@example.org>\r\n"):
        c = Client(postern)
        c.hello()
        c.send(before.encode() + b"DATA\r\nMAIL FROM:<evil@example.net>\r\n"
               b"RCPT TO:<b@example.org>\r\nDATA\r\nx\r\n.\r\n")
        for code in ((250, 550, 554) if before else (503,)):
            c.expect(code)
        c.expect_end()
    assert mta.taken == [] and mta.lines == []


@case
def foreign(mta, postern):
    "clients of other protocols are shown the door"
    for octets in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                   b"POST / HTTP/1.1\r\n\r\nEHLO x\r\nMAIL FROM:<a@example.net>\r\n",
                   b"CONNECT x:25 HTTP/1.0\r\n\r\n",
                   b"GET / HTTP/1.1\nHost: x\n\n",
                   b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        c = Client(postern)
        c.send(octets)
        c.expect(554)
        c.expect_end()
        c.close()
    assert mta.lines == []


@case
def odd_lines(mta, postern):
    "NUL, controls, 8-bit, bare line ends and long lines in commands"
    c = Client(postern)
    c.hello()
    c.say(b"NOOP\0", 500)
    c.say(b"NOOP \x01", 500)
    c.say(b"NO\xc3\xa4P", 500)
    c.say(b"NOOP \xff", 500)
    c.send(b"NOOP\n")
    c.expect(500)
    c.say(b"NOOP\rNOOP", 500)
    c.say(b"NOOP " + b"x" * 600, 500)
    c.say(b"NOOP " + b"x" * 100000, 500)
    c.say("NOOP", 250)
    c.close()


@case
def too_many_errors(mta, postern):
    "ten errors end the session with 421"
    c = Client(postern)
    c.hello()
    for i in range(9):
        c.say("FNORD", 500)
    c.say("FNORD", 421, b"4.7.0")
    c.expect_end()


@with_options(settings="recipients 100")
def recipients(mta, postern):
    "recipients beyond the limit get 452, and the message goes to those before"
    c = Client(postern)
    c.hello()
    c.envelope(rcpts=["r%d@example.org" % i for i in range(100)])
    c.say("RCPT TO:<r100@example.org>", 452, b"4.5.3")
    assert c.data(stuffed(MESSAGE)) == 250
    c.close()
    assert len(mta.taken[0].rcpts) == 100


@with_options(rules="""
at rcpt {
    tempfail 450 4.7.1 "Too many" if rate(client, recipients, 1h) > 100000
    tempfail 450 4.7.1 "Unknown" if unknown_share(client, 1h) > 80
}
""")
def many_recipients(mta, postern):
    "1000 recipients fit into one transaction, with rules that ask the store for each"
    c = Client(postern)
    c.hello()
    rcpts = ["%s%d@%s.example.org" % ("r" * 50, i, "d" * 60) for i in range(1000)]
    c.envelope(rcpts=rcpts)
    assert c.data(stuffed(MESSAGE)) == 250
    c.close()
    assert mta.taken[0].rcpts == [b"RCPT TO:<%s>" % r.encode() for r in rcpts]


@with_options(settings="message_size 100k\nmessage_memory 64k\nheader_size 8k")
def sizes(mta, postern):
    "messages and headers over their limits get 552 after the dot, and the session goes on"
    c = Client(postern)
    assert b"SIZE 102400" in c.hello()
    head = b"A: 1\r\n\r\n"
    fits = head + b"x" * 998 + b"\r\n"
    fits += b"y" * (102400 - len(fits) - 2) + b"\r\n"
    over = fits[:-2] + b"y\r\n"
    for message, code in ((fits, 250), (over, 552), (b"A: " + b"x" * 9000 + b"\r\n\r\nx\r\n", 552),
                          (b"A: x\r\n" * 1001 + b"\r\n", 550), (fits, 250)):
        c.envelope()
        c.data(stuffed(message), code)
    c.close()
    assert [t.ours() == fits for t in mta.taken] == [True, True]


@with_options(settings="message_size 100k\nmessage_memory 64k\nheader_size 8k")
def endless(mta, postern):
    "a message without end is cut off"
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    c.send(b"A: 1\r\n\r\n")
    try:
        for i in range(2000):
            c.send(b"x" * 998 + b"\r\n")
    except OSError:
        pass
    got, _ = c.reply()
    assert got in (552, None), got
    c.close()
    assert mta.taken == []


@with_options(settings="message_memory 4k\nheader_size 2k")
def big(mta, postern):
    "20 MB through a spool of 4 kB arrive equal"
    c = Client(postern)
    c.hello()
    c.envelope()
    line = bytes(range(32, 127)) * 8 + b"\r\n"
    body = b"A: 1\r\n\r\n" + b"".join(b"%d " % i + line for i in range(27000))
    c.data(stuffed(body), 250)
    c.close()
    assert mta.taken[0].ours() == body


@case
def octets_intact(mta, postern):
    "NUL, 8-bit, long lines and leading dots pass unaltered"
    c = Client(postern)
    c.hello()
    for body in (b"\0\r\n", bytes(range(128, 256)) + b"\r\n", b"x" * 100000 + b"\r\n",
                 b".\r\n..\r\n.x\r\n", b"\r\n\r\n\r\n", b" \r\n\t\r\n"):
        c.envelope()
        c.data(stuffed(b"A: 1\r\n\r\n" + body), 250)
        assert mta.taken[-1].ours() == b"A: 1\r\n\r\n" + body
    for message in (b"", b"\r\n", b"no header at all\r\n", b"\r\nbody only\r\n"):
        c.envelope()
        c.data(stuffed(message), 250)
        assert mta.taken[-1].ours() == message, mta.taken[-1].ours()
    c.envelope()
    c.data(stuffed(b" begins with a blank\r\n\r\n"), 550)
    c.close()


@case
def forged_results(mta, postern):
    "forged Authentication-Results with our name are removed, others kept"
    c = Client(postern)
    c.hello()
    c.envelope()
    c.data(stuffed(b"A: 1\r\nAuthentication-Results: MX.example.org; spf=pass\r\n"
                   b"Authentication-Results: other.example; spf=pass\r\n"
                   b"authentication-results:\r\n (c) mx.example.org 1;\r\n\tdkim=pass\r\nB: 2\r\n\r\n"
                   b"Authentication-Results: mx.example.org; in the body\r\n"), 250)
    assert mta.taken[0].ours() == (
        b"A: 1\r\nAuthentication-Results: other.example; spf=pass\r\nB: 2\r\n\r\n"
        b"Authentication-Results: mx.example.org; in the body\r\n"), mta.taken[0].ours()
    c.close()


@case
def loops(mta, postern):
    "a message with more than 100 Received fields goes in circles"
    c = Client(postern)
    c.hello()
    c.envelope()
    c.data(stuffed(b"Received: x\r\n" * 101 + b"\r\n"), 554)
    c.close()


@with_options(settings="timeout greeting 1s\ntimeout command 2s\ntimeout data block 1s")
def timeouts(mta, postern):
    "silent clients get 421, wherever they fall silent"
    c = Client(postern)
    c.expect(421, b"4.4.2")
    c.expect_end()
    c = Client(postern)
    c.hello()
    c.send(b"NOO")
    c.expect(421)
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    c.send(b"A: 1\r\n")
    c.expect(421)
    c.expect_end()
    play.until(lambda: mta.open == 0, "the MTA's connections to end")
    assert mta.taken == []


@with_options(settings="timeout command 1s")
def drip(mta, postern):
    "a command that drips in octet by octet is not waited for"
    c = Client(postern)
    c.hello()
    start = time.monotonic()
    try:
        while time.monotonic() - start < play.WAIT:
            c.send(b"N")
            c.socket.settimeout(0.1)
            try:
                c.expect(421)
                break
            except socket.timeout:
                pass
    finally:
        assert time.monotonic() - start < play.WAIT / 2
    c.close()


@with_options(settings="timeout greeting 1s\ntimeout command 1s")
def unread_replies(mta, postern):
    "who does not read our replies is closed"
    c = Client(postern, greet=False)
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.socket.settimeout(0.5)
    try:
        for i in range(100000):
            c.send(b"HELP\r\n" * 1000)
    except OSError:
        pass
    # The first one is that of whoever asked whether posternd listens.
    play.until(lambda: postern.log_text().count("event=disconnect") >= 2, "the disconnect")
    c.close()


@with_options(settings="sessions_per_client 2")
def per_client(mta, postern):
    "connections beyond a client's limit get 421"
    # The one that asked whether posternd listens has to be gone.
    play.until(lambda: "event=disconnect" in postern.log_text(), "the first disconnect")
    a, b = Client(postern), Client(postern)
    c = Client(postern, greet=False)
    c.expect(421, b"4.7.0")
    c.expect_end()
    a.say("QUIT", 221)
    a.expect_end()
    a.close()
    play.until(lambda: postern.log_text().count("event=disconnect") >= 2, "the disconnect")
    Client(postern).close()
    b.close()


@case
def client_vanishes(mta, postern):
    "a client that vanishes within its message leaves nothing behind"
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    c.send(b"A: 1\r\n\r\npartial\r\n")
    c.close()
    play.until(lambda: mta.open == 0, "the MTA's connection to end")
    assert mta.taken == []


@case
def half_closed(mta, postern):
    "a client that only shuts its writing side still gets its replies"
    c = Client(postern)
    c.send(b"EHLO client.example\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
           + stuffed(MESSAGE))
    c.socket.shutdown(socket.SHUT_WR)
    for code in (250, 250, 250, 354, 250):
        c.expect(code)
    c.expect_end()
    assert len(mta.taken) == 1


@with_options(drain="50s")
def drained(mta, postern):
    "SIGTERM: idle clients get 421, a busy one after its transaction"
    idle, busy = Client(postern), Client(postern)
    busy.hello()
    busy.envelope()
    busy.say("DATA", 354)
    postern.process.terminate()
    idle.expect(421, b"4.3.2")
    idle.expect_end()
    idle.close()
    busy.send(stuffed(MESSAGE))
    busy.expect(250)
    busy.expect(421)
    busy.expect_end()
    busy.close()
    assert len(mta.taken) == 1


@with_options(mta={"xclient": True}, handoff="xclient")
def xclient(mta, postern):
    "the client's identity reaches an MTA that offers XCLIENT, once a session"
    c = Client(postern)
    c.hello()
    for i in range(2):
        c.envelope()
        assert c.data(stuffed(MESSAGE)) == 250
    c.close()
    lines = [l for l in mta.lines if l.startswith(b"XCLIENT")]
    assert len(lines) == 1, lines
    words = lines[0].split()
    assert b"ADDR=127.0.0.1" in words and b"HELO=client.example" in words, words
    assert b"PROTO=ESMTP" in words and b"LOGIN=[UNAVAILABLE]" in words, words
    assert b"EHLO client.example" in mta.all_lines


@with_options(handoff="xclient")
def xclient_not_offered(mta, postern):
    "an MTA that does not offer XCLIENT though it should gets no mail"
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 451)
    c.close()
    assert mta.lines == [] and "smtpd_authorized_xclient_hosts" in postern.log_text()


@with_options(handoff="proxy-protocol")
def proxy_protocol(mta, postern):
    "the PROXY protocol tells the client's address"
    c = Client(postern)
    port = c.socket.getsockname()[1]
    c.hello()
    c.envelope()
    assert c.data(stuffed(MESSAGE)) == 250
    c.close()
    assert b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d" % (port, postern.port) in mta.lines, mta.lines


if __name__ == "__main__":
    play.main(CASES)
