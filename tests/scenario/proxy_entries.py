"""Every way in which a client is turned away, or goes away, has its entry in the journal, alone or counted with others of its
kind; and the journal of all that is whole."""

import json
import os
import socket
import sqlite3
import struct
import tempfile
import time

import play
from certificates import Authority, setting
from play import Client, MTA, Postern

FOLDER = tempfile.mkdtemp(prefix="postern-entries-")
AUTHORITY = Authority(FOLDER)
OURS = AUTHORITY.sign("ours", "mx.example.org")
CASES = []


def entries(postern):
    """What is in the journal once posternd has ended: (rule, step, verdict, code) -> times."""
    postern.process.terminate()
    postern.process.wait(play.WAIT)
    code, said, complaint = postern.command("log", "--verify")
    assert code == 0, said + complaint
    db = sqlite3.connect(os.path.join(postern.folder, "journal.db"))
    rows = db.execute("SELECT rule, step, verdict, code, sum(times), min(serial), max(serial), count(*)"
                      " FROM entry GROUP BY 1, 2, 3, 4").fetchall()
    db.close()
    assert sum(r[7] for r in rows) == max((r[6] for r in rows), default=0), rows
    return {r[:4]: r[4] for r in rows}


def case(name, want, settings="", rules="at connect { }", mta_says=None, tls=False, ehlo=None, drain="5s"):
    """want: (rule, step, verdict, code, times), each of which has to be there."""
    def decorate(function):
        def run():
            mta = MTA(**({"ehlo": ehlo} if ehlo else {}))
            mta.says = mta_says or {}
            postern = Postern(mta.port, settings + (setting(OURS) if tls else ""), rules, drain=drain)
            try:
                function(postern, mta)
                # Whoever is there when posternd ends has an entry of its own.
                gone(postern)
                found = entries(postern)
                for *key, times in want:
                    assert found.get(tuple(key)) == times, (key, times, found)
                others = set(found) - {tuple(w[:4]) for w in want}
                assert not others, others
            finally:
                postern.stop()
                mta.stop()
        CASES.append((name, run))
        return function
    return decorate


def gone(postern):
    """posternd has closed every connection that it was given, those too that it had yet to accept."""
    ours = tuple(":%04X" % port for port in (postern.port, PROXIES_PORT))
    established, close_wait = "01", "08"

    def closed():
        with open("/proc/net/tcp") as f:
            rows = [line.split() for line in f][1:]
        return not any(r[1].endswith(ours) and r[3] in (established, close_wait) for r in rows)
    play.until(closed, "the connections to be closed")


def reset(c):
    """Ends it with RST."""
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.socket.close()


@case("commands that are none, or have nothing to say here",
      [("reply: UNKNOWN_COMMAND", "helo", "reject", 500, 2), ("reply: UNKNOWN_COMMAND", "mail", "reject", 500, 1),
       ("reply: RCPT_ORDER", "mail", "reject", 503, 1), ("reply: HELO_NAME", "helo", "reject", 501, 1),
       ("reply: SENDER_SYNTAX", "mail", "reject", 501, 1), ("reply: RECIPIENT_SYNTAX", "rcpt", "reject", 501, 1),
       ("reply: NOT_OFFERED", "mail", "reject", 502, 1), ("reply: NO_RECIPIENT", "rcpt", "reject", 554, 1)])
def _(postern, mta):
    c = Client(postern)
    c.say("NONSENSE", 500)
    c.say("MORE", 500)
    c.say("EHLO not_a_name!", 501)
    c.hello()
    c.say("NONSENSE", 500)
    c.say("RCPT TO:<b@example.org>", 503)
    c.say("MAIL FROM:a@", 501)
    c.say("STARTTLS", 502)
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@@example.org>", 501)
    c.say("DATA", 554)
    c.close()


@case("too many errors", [("limit: errors", "helo", "tempfail", 421, 1), ("reply: UNKNOWN_COMMAND", "helo", "reject", 500, 9)])
def _(postern, mta):
    c = Client(postern)
    for _ in range(9):
        c.say("NONSENSE", 500)
    c.say("NONSENSE", 421)
    c.expect_end()


@case("mistakes behind what the mail server took, or refused",
      [("reply: UNKNOWN_COMMAND", "rcpt", "reject", 500, 2), ("reply: UNKNOWN_COMMAND", "mail", "reject", 500, 1),
       ("backend", "rcpt", "reject", 550, 1), ("", "message", "accept", 250, 1)],
      mta_says={"RCPT": lambda session, line: b"550 5.1.1 nobody\r\n" if b"nobody" in line else None})
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<nobody@example.org>", 550)
    c.say("NONSENSE", 500)
    c.say("RCPT TO:<b@example.org>", 250)
    c.say("NONSENSE", 500)
    c.data(b"a: b\r\n\r\nx\r\n.\r\n", 250)
    c.say("NONSENSE", 500)
    c.close()


@case("lines that are too long", [("limit: line length", "helo", "reject", 500, 2)])
def _(postern, mta):
    c = Client(postern)
    for _ in range(2):
        c.say("X" * 20000, 500)
    c.close()


@case("a browser, and a TLS handshake in the clear", [("reply: FOREIGN", "helo", "reject", 554, 2)])
def _(postern, mta):
    for text in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        c = Client(postern)
        c.send(text)
        c.expect(554)
        c.close()


@case("connections over a limit", [("limit: sessions per client", "connect", "tempfail", 421, 3)],
      "sessions_per_client 2\n")
def _(postern, mta):
    gone(postern)
    held = [Client(postern) for _ in range(2)]
    for _ in range(3):
        c = Client(postern, greet=False)
        c.expect(421)
        c.close()
    for c in held:
        c.close()


@case("a message that stalls", [("limit: pause in a message", "message", "tempfail", 421, 1)],
      "timeout data block 1s\n")
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    c.send(b"Subject: x\r\n\r\nhalf of")
    c.expect(421)


@case("clients that vanish within a message", [("left", "message", "left", 0, 3)])
def _(postern, mta):
    for how in (Client.close, reset, Client.close):
        c = Client(postern)
        c.hello()
        c.envelope()
        c.say("DATA", 354)
        c.send(b"Subject: x\r\n\r\nhalf of")
        time.sleep(0.2)
        how(c)


@case("TLS handshakes that fail", [("limit: TLS handshake", "helo", "tempfail", 421, 2)],
      tls=True)
def _(postern, mta):
    for text in (b"no handshake at all\r\n", b"\x16\x03\x01\xff\xff"):
        c = Client(postern)
        c.hello()
        c.say("STARTTLS", 220)
        c.send(text)
        c.close()


@case("octets in the clear behind STARTTLS", [("limit: plaintext after STARTTLS", "helo", "reject", 554, 1)], tls=True)
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.send(b"STARTTLS\r\nNOOP\r\n")
    c.expect(554)


@case("rules, at each step",
      [("postern.conf:%d" % (10 + i), step, "reject", 550, 1) for i, step in enumerate(("mail", "rcpt", "message"))],
      rules='at mail { reject 550 5.7.1 "no" if sender is "no@example.net" }\n'
            'at rcpt { reject 550 5.7.1 "no" if recipient is "no@example.org" }\n'
            'at message { reject 550 5.7.1 "no" if sender is "a@example.net" }')
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<no@example.net>", 550)
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<no@example.org>", 550)
    c.say("RCPT TO:<b@example.org>", 250)
    c.data(b"Subject: x\r\n\r\nx\r\n.\r\n", 550)
    c.close()


@case("what the mail server refuses", [("backend", "rcpt", "reject", 550, 1)], mta_says={"RCPT": b"550 5.1.1 nobody\r\n"})
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 550)
    c.close()


def told(postern, rule):
    """Text and recipients of the entries with that rule."""
    rows = [json.loads(line) for line in postern.command("log", "--json", "--rule", rule)[1].splitlines()]
    return [(r["enhanced"], r["text"], r["recipients"]) for r in rows if r["rule"] == rule]


LOST = {"RCPT": lambda session, line: play.DIE if b"lost" in line else None,
        "DOT": lambda session, line: play.DIE}


@case("a mail server that is lost, in the words that the client is told",
      [("backend: away", "rcpt", "tempfail", 451, 1), ("backend: away", "message", "tempfail", 451, 1)], mta_says=LOST)
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<lost@example.org>", 451, b"4.3.0 The mail server behind is not available")
    c.say("RSET", 250)
    c.envelope()
    c.data(b"a: b\r\n\r\nx\r\n.\r\n", 451)
    c.close()
    play.until(lambda: len(told(postern, "backend: away")) == 2, "the entries")
    assert sorted(told(postern, "backend: away")) == [
        ("4.3.0", "The mail server behind did not take the message, try again later", ["b@example.org"]),
        ("4.3.0", "The mail server behind is not available, try again later", ["lost@example.org"])], told(postern, "backend: away")


@case("all lines of what the mail server says", [("backend", "rcpt", "reject", 550, 1)],
      mta_says={"RCPT": b"550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three\r\n"})
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 550)
    c.close()
    play.until(lambda: told(postern, "backend"), "the entry")
    assert told(postern, "backend") == [("", "5.7.1 one two three", ["b@example.org"])], told(postern, "backend")


@case("a recipient that is one too many, by its name",
      [("limit: recipients", "rcpt", "tempfail", 452, 2), ("", "message", "accept", 250, 1)], "recipients 100\n")
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    for i in range(102):
        c.say("RCPT TO:<b%d@example.org>" % i, 250 if i < 100 else 452)
    c.data(b"a: b\r\n\r\nx\r\n.\r\n", 250)
    c.close()
    play.until(lambda: len(told(postern, "limit: recipients")) == 2, "the entries")
    assert sorted(told(postern, "limit: recipients")) == [
        ("4.5.3", "Too many recipients", ["b%d@example.org" % i]) for i in (100, 101)], told(postern, "limit: recipients")
    assert len(mta.taken[0].rcpts) == 100, mta.taken[0].rcpts


# ---- in front of a session: the PROXY protocol ----

def behind(octets, source="127.0.0.1"):
    """On the listener for proxies, which is on the second address."""
    c = Client.__new__(Client)
    c.socket, c.input = socket.create_connection(("127.0.0.2", PROXIES_PORT), play.WAIT, (source, 0)), b""
    c.send(octets)
    return c


PROXIES_PORT = play.free_port()
PROXIES = "listen proxy 127.0.0.2 port %d from proxies\ntrust 127.0.0.1\ntimeout proxy header 1s\n" % PROXIES_PORT


@case("PROXY headers that are wrong, or do not come", [("limit: proxy header", "connect", "tempfail", 421, 6)], PROXIES)
def _(postern, mta):
    for octets in (b"EHLO client.example\r\n", b"PROXY TCP4 192.0.2.7\r\n", b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 99999\r\n",
                   b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0", b"PROXY TCP4 192.0.2.7 ", b""):
        c = behind(octets)
        c.expect_end()
    # a check that somebody listens is none
    behind(b"").close()


@case("who is no proxy", [("limit: not a proxy", "connect", "reject", 554, 2)], PROXIES)
def _(postern, mta):
    for octets in (b"", b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n"):
        behind(octets, "127.0.0.3").expect(554)


@case("a PROXY header where none is due", [("reply: FOREIGN", "helo", "reject", 554, 2)], PROXIES)
def _(postern, mta):
    for octets in (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\0"):
        c = Client(postern)
        c.send(octets)
        c.expect(554)


# ---- AUTH ----

CLEAR = "auth in clear on\n"
OFFERS = (b"PIPELINING", b"AUTH PLAIN LOGIN")
NO = {"AUTH": b"535 5.7.8 no\r\n"}


def a_password(c):
    c.send(b"AUTH PLAIN AGFubmEAc2VjcmV0\r\n")


@case("AUTH in the clear", [("reply: AUTH_TLS", "mail", "reject", 538, 1)], tls=True, ehlo=OFFERS)
def _(postern, mta):
    c = Client(postern)
    c.hello()
    a_password(c)
    c.expect(538)
    c.close()


@case("AUTH that nobody offers", [("reply: NOT_OFFERED", "mail", "reject", 502, 1)], CLEAR)
def _(postern, mta):
    c = Client(postern)
    c.hello()
    a_password(c)
    c.expect(502)
    c.close()


@case("AUTH that is not well-formed, or at the wrong time",
      [("reply: AUTH_SYNTAX", "mail", "reject", 501, 1), ("reply: AUTH_MECHANISM", "mail", "reject", 504, 1),
       ("reply: AUTH_FIRST", "mail", "reject", 501, 1), ("reply: AUTH_ORDER", "rcpt", "reject", 503, 1)], CLEAR, ehlo=OFFERS)
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("AUTH", 501)
    c.say("AUTH CRAM-MD5", 504)
    c.say("AUTH PLAIN !", 501)
    c.say("MAIL FROM:<a@example.net>", 250)
    a_password(c)
    c.expect(503)
    c.close()


@case("dialogues of AUTH that are broken off",
      [("reply: AUTH_CANCELLED", "helo", "reject", 501, 2), ("reply: AUTH_BASE64", "helo", "reject", 501, 1),
       ("reply: AUTH_LONG", "helo", "reject", 500, 1), ("limit: command time", "helo", "tempfail", 421, 1)],
      CLEAR + "timeout command 3s\n", mta_says={"AUTH": b"334 \r\n", "*": b"501 5.7.0 as you like\r\n"}, ehlo=OFFERS)
def _(postern, mta):
    c = Client(postern)
    c.hello()
    for said, code in (("*", 501), ("!", 501), ("x" * 20000, 500), ("*", 501)):
        c.say("AUTH LOGIN", 334)
        c.say(said, code)
    c.say("AUTH LOGIN", 334)
    c.expect(421)


@case("passwords that are wrong, until it is too much",
      [("backend: AUTH PLAIN", "helo", "reject", 535, 3), ("limit: auth failures", "helo", "tempfail", 421, 1)],
      CLEAR, mta_says=NO, ehlo=OFFERS)
def _(postern, mta):
    c = Client(postern)
    c.hello()
    for _ in range(3):
        a_password(c)
        c.expect(535, b"no")
    c.expect(421)


@case("whoever has had too many wrong ones in other sessions",
      [("backend: AUTH PLAIN", "helo", "reject", 535, 2), ("limit: auth failures of a client", "mail", "tempfail", 454, 2)],
      CLEAR + "auth_failures_per_minute 2\n", mta_says=NO, ehlo=OFFERS)
def _(postern, mta):
    play.early_in_a_minute()
    for code in (535, 535, 454, 454):
        c = Client(postern)
        c.hello()
        a_password(c)
        c.expect(code)
        c.close()


@case("an AUTH that the mail server does not judge, in its words or in ours",
      [("reply: AUTH_AWAY", "mail", "tempfail", 454, 3), ("backend: AUTH PLAIN", "helo", "reject", 534, 1)], CLEAR, ehlo=OFFERS)
def _(postern, mta):
    for said, told in ((b"454 4.7.0 words of the server\r\n", b"words of the server"), (play.DIE, b"454 4.7.0 Temporary"),
                       (b"421 4.3.2 words\r\n", b"454 4.7.0 Temporary"), (b"534 5.7.9 too weak\r\n", b"too weak")):
        mta.says["AUTH"] = said
        c = Client(postern)
        c.hello()
        a_password(c)
        c.expect(534 if b"weak" in told else 454, told)
        c.close()


# ---- what is asked, in the mail server's words ----

@case("VRFY and its like: here, and in the mail server's words",
      [("backend: VRFY", "helo", "reject", 550, 2), ("backend: away", "mail", "tempfail", 451, 3),
       ("reply: OF_WHOM", "mail", "reject", 501, 1), ("reply: NOT_OFFERED", "mail", "reject", 502, 1)],
      "vrfy relay\nexpn relay\nhelp relay\n", ehlo=(b"VRFY", b"EXPN", b"HELP"),
      mta_says={"VRFY": b"550 5.1.1 nobody\r\n", "EXPN": b"450 4.2.1 not now\r\n", "HELP": b"354 what\r\n"})
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("VRFY joe", 550, b"nobody")
    c.say("VRFY jane", 550, b"nobody")
    c.say("VRFY", 501)
    c.say("EXPN staff", 450, b"not now")
    c.say("HELP", 451)
    c.say("ETRN example.org", 502)
    mta.says["VRFY"] = b"421 4.3.2 going\r\n"
    c.say("VRFY joe", 451)
    c.close()


# ---- commands ----

@case("commands of octets that none may have, and ends of lines that are none",
      [("reply: CONTROL_OCTETS", "helo", "reject", 500, 1), ("reply: NOT_ASCII", "helo", "reject", 500, 1),
       ("reply: LINE_END", "helo", "reject", 500, 1)])
def _(postern, mta):
    c = Client(postern)
    c.say(b"NOOP \x01", 500)
    c.say(b"NOOP \xc3\xa4", 500)
    c.send(b"NOOP\n")
    c.expect(500)
    c.close()


@case("parameters that are wrong, or not to be had",
      [("reply: PARAMETER_UNKNOWN", "mail", "reject", 555, 1), ("reply: PARAMETER_NOT_OFFERED", "mail", "reject", 555, 1),
       ("reply: SIZE_NUMBER", "mail", "reject", 501, 1), ("limit: size", "mail", "reject", 552, 1),
       ("reply: PARAMETER_SYNTAX", "mail", "reject", 501, 1), ("reply: COMMAND_SYNTAX", "mail", "reject", 501, 1)],
      ehlo=(b"8BITMIME",))
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net> NONE=1", 555)
    c.say("MAIL FROM:<a@example.net> SMTPUTF8", 555)
    c.say("MAIL FROM:<a@example.net> SIZE=x", 501)
    c.say("MAIL FROM:<a@example.net> SIZE=999999999999", 552)
    c.say("MAIL FROM:<a@example.net> BODY=9BIT", 501)
    c.say("MAIL", 501)
    c.close()


@case("commands at the wrong time",
      [("reply: MAIL_ORDER", "helo", "reject", 503, 1), ("reply: MAIL_ORDER", "rcpt", "reject", 503, 1),
       ("reply: RCPT_ORDER", "helo", "reject", 503, 1), ("reply: DATA_ORDER", "mail", "reject", 503, 1),
       ("reply: IN_TRANSACTION", "rcpt", "reject", 503, 1), ("reply: NO_ARGUMENT", "rcpt", "reject", 501, 1)])
def _(postern, mta):
    c = Client(postern)
    c.say("MAIL FROM:<a@example.net>", 503)
    c.say("RCPT TO:<b@example.org>", 503)
    c.hello()
    c.say("DATA", 503)
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("MAIL FROM:<a@example.net>", 503)
    c.say("XCLIENT NAME=x", 503)
    c.say("DATA now", 501)
    c.close()


@case("XCLIENT by who is not trusted", [("reply: XCLIENT_UNTRUSTED", "mail", "reject", 550, 1)])
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("XCLIENT ADDR=192.0.2.1", 550)
    c.close()


@case("XCLIENT that is not well-formed", [("reply: XCLIENT_SYNTAX", "mail", "reject", 501, 1)], "trust 127.0.0.1\n")
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("XCLIENT ADDR", 501)
    c.close()


@case("who is refused at connect, and goes on",
      [("postern.conf:10", "connect", "reject", 554, 2), ("reply: REFUSED_BEFORE", "connect", "reject", 503, 3)],
      rules='at connect { reject 554 5.7.1 "no" if client.ip is 127.0.0.1 }')
def _(postern, mta):
    # Who saw to it that posternd listens was refused, too.
    c = Client(postern, greet=False)
    c.expect(554)
    c.say("EHLO client.example", 503)
    c.send(b"BDAT 3\r\nabc")
    c.expect(503)
    c.say("MAIL FROM:<>", 503)
    c.say("QUIT", 221)
    c.expect_end()


@case("a message that nobody asked for", [("reply: NO_RECIPIENT", "rcpt", "reject", 554, 1)])
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.send(b"MAIL FROM:<a@example.net>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n")
    c.expect(250)
    c.expect(554)
    c.expect_end()


# ---- chunks ----

@case("chunks at the wrong time, and what is no chunk",
      [("reply: DATA_ORDER", "mail", "reject", 503, 1), ("reply: NO_RECIPIENT", "rcpt", "reject", 554, 1),
       ("reply: CHUNKS_BEGUN", "message", "reject", 503, 2), ("reply: BDAT_SYNTAX", "message", "reject", 501, 1)])
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.send(b"BDAT 3\r\nabc")
    c.expect(503)
    c.say("MAIL FROM:<a@example.net>", 250)
    c.send(b"BDAT 3\r\nabc")
    c.expect(554)
    c.say("RCPT TO:<b@example.org>", 250)
    c.send(b"BDAT 3\r\na: ")
    c.expect(250)
    c.say("DATA", 503)
    c.say("RCPT TO:<b@example.org>", 503)
    c.say("BDAT x", 501)
    c.expect_end()


# ---- messages ----

@case("messages that may not be so",
      [("limit: size", "message", "reject", 552, 1), ("limit: bare newline", "message", "reject", 550, 1),
       ("limit: header syntax", "message", "reject", 550, 1), ("limit: hops", "message", "reject", 554, 1),
       ("limit: header fields", "message", "reject", 550, 1)], "message_size 20k\nerrors 50\n")
def _(postern, mta):
    c = Client(postern)
    c.hello()
    for octets, code in ((b"a: b\r\n\r\n" + b"x" * 70 * 400 + b"\r\n", 552), (b"a: b\r\n\r\nx\ny\r\n", 550), (b" folded\r\n\r\n", 550),
                         (b"Received: x\r\n" * 101 + b"\r\n", 554), (b"a: b\r\n" * 2500 + b"\r\n", 550)):
        c.envelope()
        c.data(octets + b".\r\n", code)
    c.close()


# ---- what a client may do in a minute ----

@case("too much in a minute",
      [("limit: messages per minute", "mail", "tempfail", 450, 2), ("limit: recipients per minute", "rcpt", "tempfail", 450, 1),
       ("", "message", "accept", 250, 1)], "messages_per_minute 2\nrecipients_per_minute 2\n")
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.envelope(rcpts=("b@example.org", "c@example.org"))
    c.data(b"a: b\r\n\r\nx\r\n.\r\n", 250)
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 450)
    c.say("RSET", 250)
    for _ in range(2):
        c.say("MAIL FROM:<a@example.net>", 450)
    c.close()


@case("too many mistakes in a minute, and whoever comes again",
      [("limit: errors per minute", "helo", "tempfail", 421, 1), ("limit: errors per minute, at connect", "connect", "tempfail", 421, 2),
       ("reply: UNKNOWN_COMMAND", "helo", "reject", 500, 3)], "errors_per_minute 3\n")
def _(postern, mta):
    c = Client(postern)
    for _ in range(3):
        c.say("NONSENSE", 500)
    c.say("NONSENSE", 421)
    c.expect_end()
    for _ in range(2):
        c = Client(postern, greet=False)
        c.expect(421)
        c.close()


# ---- the mail server goes away ----

@case("a mail server that is lost at RCPT, before DATA, and within a message",
      [("backend: away", "rcpt", "tempfail", 451, 1), ("backend: away", "message", "tempfail", 451, 2)])
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    mta.says["RCPT"] = play.DIE
    c.say("RCPT TO:<b@example.org>", 451)
    c.say("RSET", 250)
    del mta.says["RCPT"]
    for at in ("DATA", "DOT"):
        mta.says[at] = play.DIE
        c.envelope()
        c.data(b"a: b\r\n\r\nx\r\n.\r\n", 451)
        del mta.says[at]
    c.close()


# ---- time ----

def silent(postern, *clients):
    for c in clients:
        c.expect(421, b"Timeout")
        c.expect_end()


TIMES = "timeout greeting 3s\ntimeout command 3s\ntimeout tls 1s\ntimeout data block 1s\n"


@case("who is silent, or says half of a command, at each step",
      [("limit: command time", "helo", "tempfail", 421, 2), ("limit: command time", "mail", "tempfail", 421, 2),
       ("limit: command time", "rcpt", "tempfail", 421, 3), ("limit: command time", "message", "tempfail", 421, 2)], TIMES)
def _(postern, mta):
    def at(n):
        """One that comes so far, without a pause that would be too long."""
        c = Client(postern)
        if n > 0:
            c.hello()
        if n > 1:
            c.say("MAIL FROM:<a@example.net>", 250)
        if n > 2:
            c.say("RCPT TO:<b@example.org>", 250)
        if n > 3:
            c.send(b"BDAT 1\r\nx")
            c.expect(250)
        return c
    clients = [at(3)]
    for n in (0, 1, 2, 4):
        clients += [at(n), at(n)]
        clients[-1].send(b"RCP")
    silent(postern, *clients)


@case("a TLS handshake that does not go on", [("limit: TLS handshake", "helo", "tempfail", 421, 2)], TIMES, tls=True)
def _(postern, mta):
    for half in (b"", b"\x16\x03\x01\x02\x00\x01"):
        c = Client(postern)
        c.hello()
        c.say("STARTTLS", 220)
        c.send(half)
        c.expect_end()


@case("a chunk that stalls", [("limit: pause in a message", "message", "tempfail", 421, 1)], TIMES)
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.envelope()
    c.send(b"BDAT 100\r\nhalf of")
    silent(postern, c)


def drip(c):
    """An octet now and then, until that is of no use."""
    try:
        for _ in range(100):
            c.send(b"x")
            time.sleep(0.1)
    except OSError:
        pass


@case("a message that drips for longer than one may", [("limit: message time", "message", "tempfail", 421, 1)], "timeout message 1s\n")
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    drip(c)


@case("a message that comes too slowly", [("limit: data rate", "message", "tempfail", 421, 1)],
      "data_rate 1000\ndata_rate_over 1s\n")
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    drip(c)


@case("sessions that last too long, at each step",
      [("limit: session time", s, "tempfail", 421, 1) for s in ("helo", "mail", "rcpt", "message")], "timeout session 6s\n")
def _(postern, mta):
    clients = [Client(postern) for _ in range(4)]
    for c in clients[1:]:
        c.hello()
    for c in clients[2:]:
        c.envelope()
    clients[3].say("DATA", 354)
    for c in clients:
        c.expect(421, b"session")


# ---- STARTTLS ----

@case("STARTTLS where there is none, twice, or with words", [("reply: TLS_ON", "mail", "reject", 503, 1),
                                                             ("reply: NO_ARGUMENT", "mail", "reject", 501, 1)], tls=True)
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("STARTTLS now", 501)
    c.say("STARTTLS", 220)
    c.starttls(AUTHORITY.client(), "mx.example.org")
    c.hello()
    c.say("STARTTLS", 503)
    c.close()


# ---- the end ----

@case("who is there when posternd stops, at each step: a message that has begun is brought to its end",
      [("reply: SHUTDOWN", "helo", "tempfail", 421, 1), ("reply: SHUTDOWN", "mail", "tempfail", 421, 3),
       ("", "message", "accept", 250, 1)], drain="50s")
def _(postern, mta):
    greeted, ehlo, rcpt, data = clients = [Client(postern) for _ in range(4)]
    for c in clients[1:]:
        c.hello()
    rcpt.envelope()
    data.envelope()
    data.say("DATA", 354)
    postern.process.terminate()
    greeted.expect(421, b"shutting down")
    ehlo.expect(421, b"shutting down")
    data.send(b"a: b\r\n\r\nx\r\n.\r\n")
    data.expect(250)
    data.expect(421, b"shutting down")
    rcpt.say("RSET", 250)
    rcpt.expect(421, b"shutting down")


@case("who has not come to an end when the time for that is over",
      [("reply: SHUTDOWN", "rcpt", "tempfail", 421, 1), ("reply: SHUTDOWN", "message", "tempfail", 421, 1)])
def _(postern, mta):
    rcpt, data = Client(postern), Client(postern)
    for c in (rcpt, data):
        c.hello()
        c.envelope()
    data.say("DATA", 354)
    postern.process.terminate()
    for c in (rcpt, data):
        c.expect(421, b"shutting down")


if __name__ == "__main__":
    play.main(CASES, FOLDER)
