"""AUTH through the proxy front: what the mail server is asked and what the client hears, the account that is learnt,
the connection that a session is bound to, limits for those who guess, and that no password stays anywhere."""

import base64
import glob
import hashlib
import hmac
import os
import re
import signal
import socket
import tempfile
import threading

import play
from certificates import Authority, setting
from play import DIE, MTA, Client, Postern, stuffed, until

MESSAGE = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: x\r\n\r\nHello\r\n"
PASSWORD = b"kuckucksuhr-%d-im-regen" % os.getpid()
WRONG = b"falsche-losung-%d-am-tor" % os.getpid()
NO = b"535 5.7.8 Error: authentication failed, words of the server\r\n"
YES_AUTH = b"235 2.7.0 Authentication successful, words of the server\r\n"

FOLDER = tempfile.mkdtemp(prefix="postern-auth-")
AUTHORITY = Authority(FOLDER)
OURS = AUTHORITY.sign("ours", "mx.example.org")
BACKEND = AUTHORITY.sign("backend", "mta.example")

CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


def b64(octets):
    return base64.b64encode(octets)


def plain(user, password, acts_as=b""):
    return b64(acts_as + b"\0" + user + b"\0" + password)


class Server(MTA):
    """A mail server that takes PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1 (without looking) and some that are only told.
    `heard` has each line of the dialogues."""

    def __init__(self, mechanisms=b"PLAIN LOGIN CRAM-MD5", **more):
        ehlo = more.pop("ehlo", (b"PIPELINING", b"SIZE 52428800", b"8BITMIME"))
        super().__init__(ehlo=tuple(ehlo) + (b"AUTH " + mechanisms,), **more)
        self.heard = []
        self.says["AUTH"] = self.judge
        self.usual = {}  # mechanism: a judge of its own

    def ask(self, d, challenge):
        d.conn.sendall(b"334 " + b64(challenge) + b"\r\n")
        line = d.line()
        self.heard.append(line)
        return line

    def judge(self, d, line):
        self.heard.append(line)
        words = line.split(b" ")
        name = words[1].upper()
        first = words[2] if len(words) > 2 else None
        d.tried = getattr(d, "tried", 0) + 1
        if name in self.usual:
            return self.usual[name](d, first)
        if name == b"PLAIN":
            answer = first if first is not None else self.ask(d, b"")
            if answer == b"*":
                return b"501 5.7.0 Cancelled, words of the server\r\n"
            good = base64.b64decode(answer).split(b"\0")[-1] == PASSWORD
        elif name == b"LOGIN":
            if first is None:
                first = self.ask(d, b"Username:")
                if first == b"*":
                    return b"501 5.7.0 Cancelled, words of the server\r\n"
            answer = self.ask(d, b"Password:")
            if answer == b"*":
                return b"501 5.7.0 Cancelled, words of the server\r\n"
            good = base64.b64decode(answer) == PASSWORD
        elif name == b"CRAM-MD5":
            challenge = b"<1896.697170952@mta.example>"
            user, digest = base64.b64decode(self.ask(d, challenge)).rsplit(b" ", 1)
            good = digest == hmac.new(PASSWORD, challenge, hashlib.md5).hexdigest().encode()
        else:
            return b"504 5.5.4 What?\r\n"
        return YES_AUTH if good else NO


class World:
    def __init__(self, settings="", rules="at connect { }", handoff="", mta=None, clear=True):
        self.mta = mta or Server()
        self.postern = Postern(self.mta.port,
                               setting(OURS) + ("auth in clear on\n" if clear else "") + settings,
                               rules, handoff)

    def __enter__(self):
        self.mta.probed()
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.text = self.postern.stop()
        finally:
            self.mta.stop()

    def client(self):
        c = Client(self.postern)
        c.hello()
        return c

    def secured(self):
        c = Client(self.postern)
        c.hello()
        c.say("STARTTLS", 220)
        c.starttls(AUTHORITY.client(), "mx.example.org")
        c.hello()
        return c

    def logged(self, pattern):
        until(lambda: re.search(pattern, self.postern.log_text()), pattern + " in the log")

    def entry(self, **wanted):
        def look():
            for e in self.postern.entries():
                if all(str(e[k]) == str(v) for k, v in wanted.items()):
                    return e
            return None
        until(look, "an entry with %r" % wanted)
        return look()


def offer(reply):
    """The mechanisms, or None."""
    found = re.search(rb"250[- ]AUTH ([^\r]*)\r\n", reply)
    return found and found.group(1)


def log_in(c, user=b"alice", password=PASSWORD, code=235):
    return c.say(b"AUTH PLAIN " + plain(user, password), code)


def send_one(c, code=250):
    c.envelope()
    return c.data(stuffed(MESSAGE), code)


# ---- what is offered ----


@case
def offered():
    "AUTH is offered under TLS only, with the mail server's mechanisms but those that cannot be relayed"
    mta = Server(b"PLAIN LOGIN EXTERNAL SCRAM-SHA-1-PLUS SCRAM-SHA-1 x_MINE GSSAPI plain bad!name "
                 b"MUCH-TOO-LONG-TO-BE-A-NAME")
    with World(mta=mta, clear=False) as w:
        c = Client(w.postern)
        assert offer(c.hello()) is None
        c.say("AUTH PLAIN", 538, b"5.7.11")
        c.say("STARTTLS", 220)
        c.starttls(AUTHORITY.client(), "mx.example.org")
        c.say("AUTH PLAIN", 503)
        assert offer(c.hello()) == b"PLAIN LOGIN SCRAM-SHA-1 x_MINE GSSAPI"
        assert offer(c.say("HELO client.example", 250)) is None
        c.say("AUTH PLAIN", 503)
        c.hello()
        c.say("AUTH EXTERNAL =", 504)
        c.say("AUTH NOSUCH", 504)
        assert not mta.heard
        log_in(c)
        send_one(c)
        field = w.mta.taken[0].octets.split(b"\r\n\t")
        assert field[1].startswith(b"by mx.example.org with ESMTPSA id "), field


@case
def settings():
    "`auth in clear` offers it without TLS, `auth off` not at all; a mail server without AUTH has none to offer"
    with World() as w:
        c = w.client()
        assert offer(c.hello()) == b"PLAIN LOGIN CRAM-MD5"
        log_in(c)
        send_one(c)
        assert b" with ESMTPA id " in w.mta.taken[0].octets
    with World("auth off\n") as w:
        c = w.secured()
        assert offer(c.hello()) is None
        c.say("AUTH PLAIN", 502)
        c.say("MAIL FROM:<a@example.net> AUTH=<>", 555)
    with World(mta=MTA()) as w:
        c = w.client()
        assert offer(c.hello()) is None
        c.say("AUTH PLAIN", 502)
    with World("auth in clear off\n", clear=False) as w:
        assert offer(w.client().hello()) is None


@case
def offered_inside():
    "What the mail server offers inside of its own TLS counts, not what it offered before"
    mta = Server()
    mta.tls = AUTHORITY.server(BACKEND)
    plain_ehlo = mta.ehlo

    def ehlo(d, line):
        words = [b"mta.example"] + (plain_ehlo if d.secured else [b"PIPELINING", b"STARTTLS"])
        return b"".join(b"250" + (b" " if w is words[-1] else b"-") + w + b"\r\n" for w in words)
    mta.says["EHLO"] = ehlo
    with World("tls ca \"%s\"\n" % AUTHORITY.ca, handoff="starttls required", mta=mta) as w:
        c = w.client()
        until(lambda: offer(c.hello()), "the offer")
        log_in(c)
        send_one(c)


# ---- mechanisms ----


@case
def mechanisms():
    "PLAIN, LOGIN and CRAM-MD5, with and without initial response; replies and challenges word for word"
    def by_plain(c):
        c.say("AUTH PLAIN", 334)
        return c.say(plain(b"alice", PASSWORD), 235)

    def by_login(c):
        assert c.say("AUTH LOGIN", 334) == b"334 " + b64(b"Username:") + b"\r\n"
        assert c.say(b64(b"alice"), 334) == b"334 " + b64(b"Password:") + b"\r\n"
        return c.say(b64(PASSWORD), 235)

    def by_login_at_once(c):
        c.say(b"auth login " + b64(b"alice"), 334)
        return c.say(b64(PASSWORD), 235)

    def by_cram(c):
        challenge = base64.b64decode(c.say("AUTH CRAM-MD5", 334)[4:])
        digest = hmac.new(PASSWORD, challenge, hashlib.md5).hexdigest().encode()
        return c.say(b64(b"alice " + digest), 235)

    rules = 'at mail { reject 550 5.7.1 "you are ${account} by ${auth.mechanism}" if authenticated }'
    for how, name in ((by_plain, b"PLAIN"), (by_login, b"LOGIN"), (by_login_at_once, b"LOGIN"),
                      (by_cram, b"CRAM-MD5"), (log_in, b"PLAIN")):
        with World(rules=rules) as w:
            c = w.client()
            assert how(c) == YES_AUTH
            c.say("MAIL FROM:<a@example.net>", 550, b"you are alice by " + name)
            assert w.mta.heard[0].startswith(b"AUTH " + name), w.mta.heard
            assert w.entry(code=550)["account"] == "alice"


@case
def accounts():
    "The account of every mechanism that tells it; none where two could be meant, or nothing is told"
    ntlm = bytearray(88)
    ntlm[:12] = b"NTLMSSP\0\3\0\0\0"
    ntlm[36:44] = (10).to_bytes(2, "little") * 2 + (72).to_bytes(4, "little")
    ntlm[60] = 1
    ntlm[72:82] = "alice".encode("utf-16-le")
    for name, says, account in (
            (b"PLAIN", [plain(b"alice", b"x")], "alice"),
            (b"PLAIN", [plain(b"alice", b"x", b"boss")], "alice"),
            (b"PLAIN", [b64(b"boss\0boss\0x"), plain(b"alice", b"x")], ""),
            (b"LOGIN", [b64(b"alice"), b64(b"x")], "alice"),
            (b"LOGIN", [b64(b"boss"), b64(b"alice"), b64(b"x")], ""),
            (b"CRAM-MD5", [b64(b"al ice 0123456789abcdef")], "al ice"),
            (b"DIGEST-MD5", [b64(b'charset=utf-8,realm="a,b",username="al\\"ice",nonce="x"'), b""],
             'al"ice'),
            (b"SCRAM-SHA-256", [b64(b"n,,n=al=2Cice,r=abc"), b64(b"c=biws,r=abc,p=xyz")], "al,ice"),
            (b"SCRAM-SHA-1", [b64(b"n,a=boss,n=alice,r=abc"), b64(b"c=biws"), b""], "alice"),
            (b"OAUTHBEARER", [b64(b"n,a=alice@example.org,\1host=x\1auth=Bearer t\1\1")],
             "alice@example.org"),
            (b"XOAUTH2", [b64(b"user=alice@example.org\1auth=Bearer t\1\1")], "alice@example.org"),
            (b"NTLM", [b64(b"NTLMSSP\0\1"), b64(bytes(ntlm))], "alice"),
            (b"GSSAPI", [b64(b"ticket"), b""], ""),
            (b"PLAIN", [plain(b"al\x1bice", b"x")], ""),
            (b"PLAIN", [plain(b"a" * 300, b"x")], "")):
        mta = Server(b"PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 OAUTHBEARER XOAUTH2 "
                     b"NTLM GSSAPI")

        def judge(d, first, mta=mta, says=says):
            for n in range(len(says)):
                if n or first is None:
                    mta.ask(d, b"go on")
            return YES_AUTH
        mta.usual[name] = judge
        rules = 'at mail { reject 550 5.7.1 "<${account}>" if authenticated }'
        with World(rules=rules, mta=mta) as w:
            c = w.client()
            c.say(b"AUTH " + name, 334)
            for s in says[:-1]:
                c.say(s, 334)
            c.say(says[-1], 235)
            c.say("MAIL FROM:<a@example.net>", 550)
            assert w.entry(code=550)["account"] == account, (name, says, w.entry(code=550)["account"])


@case
def initial_response():
    "An empty initial response is =; one that is too long for a command waits to be asked for"
    mta = Server(b"XOAUTH2 PLAIN")
    firsts = []

    def judge(d, first):
        firsts.append(first)
        if first is None:
            d.conn.sendall(b"334 \r\n")
            first = d.line()
            firsts.append(first)
        return YES_AUTH
    mta.usual[b"XOAUTH2"] = judge
    long = b64(b"user=alice\1auth=Bearer " + b"t" * 6000 + b"\1\1")
    with World(mta=mta) as w:
        c = w.client()
        c.say("AUTH XOAUTH2 =", 235)
        assert firsts == [b"="], firsts
        firsts.clear()
        c = w.client()
        c.say(b"AUTH XOAUTH2 " + long, 235)
        assert firsts == [None, long], [f and len(f) for f in firsts]
        send_one(c)
        c = w.client()
        c.say("AUTH XOAUTH2 a=b=", 501)
        c.say("AUTH XOAUTH2 abc", 501)
        c.say("AUTH XOAUTH2 YWJj YWJj", 501)
        c.say("AUTH", 501)
        c.say("AUTH XO!", 501)
        c.say(b"AUTH XOAUTH2 " + b"A" * 12300, 500)
        c.say("NOOP", 250)


# ---- the dialogue ----


@case
def cancelled():
    "* ends the dialogue with the mail server's 501; so do an answer that is no base64, and one that is too long"
    with World("errors 100\n") as w:
        c = w.client()
        c.say("AUTH LOGIN", 334)
        c.say("*", 501, b"words of the server")
        assert w.mta.heard[-1] == b"*"
        for wrong, code in ((b"a", 501), (b"abc$", 501), (b"MAIL FROM:<a@example.net>", 501),
                            (b"a===", 501), (b"\x00aaa", 500), (b"aa\raaaa", 500),
                            (b"\xe4\xe4\xe4\xe4", 501), (b"A" * 12288, 500)):
            c.say("AUTH LOGIN", 334)
            c.say(wrong, code)
            assert w.mta.heard[-1] == b"*", (wrong, w.mta.heard)
            c.say("NOOP", 250)
        c.say("AUTH LOGIN", 334)
        c.send(b64(b"alice") + b"\n")
        c.expect(500)
        longest = b"A" * 12284
        c.say("AUTH LOGIN", 334)
        c.say(longest, 334)
        assert w.mta.heard[-1] == longest
        c.say("*", 501)
        log_in(c)
        send_one(c)
        assert not [e for e in w.postern.entries() if e["verdict"] != "accept"]


@case
def order():
    "AUTH before EHLO, twice, within a transaction: 503; after a transaction it is fine"
    with World() as w:
        c = Client(w.postern)
        c.say("AUTH PLAIN " + plain(b"alice", PASSWORD).decode(), 503)
        c.hello()
        c.envelope()
        log_in(c, code=503)
        c.say("RSET", 250)
        log_in(c)
        log_in(c, code=503)
        c.say("MAIL FROM:<a@example.net>", 250)
        log_in(c, code=503)
        c.say("RSET", 250)
        send_one(c)
        c.say("EHLO another.example", 250)
        log_in(c, code=503)
        send_one(c)
        assert len(w.mta.taken) == 2
        assert [line.split(b" ")[0] for line in w.mta.heard] == [b"AUTH"]


@case
def pieces():
    "Octet by octet, and pipelined: only a line that the dialogue waits for is an answer"
    with World("errors 100\n") as w:
        c = w.client()
        for octet in b"AUTH LOGIN\r\n":
            c.send(bytes([octet]))
        c.expect(334)
        for octet in b64(b"alice") + b"\r\n":
            c.send(bytes([octet]))
        c.expect(334)
        for octet in b64(PASSWORD) + b"\r\n":
            c.send(bytes([octet]))
        c.expect(235)
        c = w.client()
        c.send(b"AUTH PLAIN " + plain(b"alice", PASSWORD) +
               b"\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        for code in (235, 250, 250, 354):
            c.expect(code)
        c.send(stuffed(MESSAGE))
        c.expect(250)
        heard = len(w.mta.heard)
        c = w.client()
        c.send(b"AUTH NOSUCH\r\nQUJD\r\nNOOP\r\n")
        for code in (504, 500, 250):
            c.expect(code)
        c.send(b"AUTH PLAIN abc\r\nQUJD\r\nNOOP\r\n")
        for code in (501, 500, 250):
            c.expect(code)
        assert len(w.mta.heard) == heard, w.mta.heard[heard:]
        c.send(b"AUTH PLAIN " + plain(b"alice", WRONG) + b"\r\nQUJD\r\nNOOP\r\n")
        for code in (535, 500, 250):
            c.expect(code)
        c.send(b"AUTH LOGIN\r\nNOOP \r\nNOOP\r\n")
        for code in (334, 501, 250):
            c.expect(code)
        assert w.mta.heard[-1] == b"*"


@case
def foreign_answers():
    "Only 235 authenticates: other replies of 2yz and 3yz, challenges of two lines and over the bounds end it with 454"
    for said in (b"250 2.0.0 Ok\r\n", b"354 go on\r\n", b"220 hello\r\n", b"334-aa\r\n334 bb\r\n",
                 b"334 " + b"A" * 20000 + b"\r\n", b"hello\r\n", b"421 4.3.0 bye\r\n", DIE,
                 b"334 YWJj\r\n334 YWJj\r\n"):
        mta = Server()
        mta.usual[b"PLAIN"] = lambda d, first, said=said: said
        with World(mta=mta, rules='at mail { reject 550 5.7.1 "no" if not authenticated }') as w:
            c = w.client()
            log_in(c, code=454)
            c.say("MAIL FROM:<a@example.net>", 550)
            c.say("NOOP", 250)
    mta = Server()
    mta.usual[b"PLAIN"] = lambda d, first: mta.ask(d, b"x" * 9000) and YES_AUTH
    with World(mta=mta) as w:
        c = w.client()
        assert c.say("AUTH PLAIN =", 334) == b"334 " + b64(b"x" * 9000) + b"\r\n"
        c.say("QUJD", 235)


@case
def refusals():
    "4yz and 5yz pass word for word; those that say nothing of a password are no failures"
    for said, failure in ((b"535 5.7.8 Wrong, \"it\" is\r\n", True), (b"454 4.7.0 Later\r\n", False),
                          (b"534 5.7.9 Too weak\r\n", False), (b"554 5.7.0 You are\r\n", True),
                          (b"432 4.7.12 Transition\r\n", False), (b"535-5.7.8 a\r\n535 5.7.8 b\r\n", True)):
        mta = Server()
        mta.usual[b"PLAIN"] = lambda d, first, said=said: said
        with World("auth_failures 1\n", mta=mta) as w:
            c = w.client()
            assert log_in(c, password=WRONG, code=int(said[:3])) == said
            if failure:
                c.expect(421, b"Too many authentications failed")
                c.expect_end()
                entry = w.entry(rule="backend: AUTH PLAIN")
                assert entry["account"] == "alice" and entry["step"] == "helo", entry
                assert entry["verdict"] == "reject" and entry["code"] == int(said[:3]), entry
                assert w.entry(rule="limit: auth failures")["code"] == 421
            else:
                log_in(c, code=int(said[:3]))
                c.say("NOOP", 250)
                # a no for good has its entry, what comes later is only counted; neither closes the session
                if said.startswith(b"5"):
                    assert w.entry(rule="backend: AUTH PLAIN", code=int(said[:3]))["account"] == "alice"
                else:
                    assert not [e for e in w.postern.entries() if "AUTH" in e["rule"]]


# ---- the link ----


@case
def lost():
    "Once authenticated, the end of the connection to the mail server is the end of the session: 421"
    for at in ("idle", "mail", "rcpt", "data", "dot", "rset"):
        with World() as w:
            c = w.client()
            log_in(c)
            if at == "idle":
                w.mta.says["NOOP"] = DIE
                # any command that is asked of it: a transaction that was reset wants RSET
                c.envelope()
                w.mta.says["RSET"] = DIE
                c.say("RSET", 250)
                c.say("MAIL FROM:<a@example.net>", 250)
                c.say("RCPT TO:<b@example.org>", 451)
            elif at == "mail":
                w.mta.says["MAIL"] = DIE
                c.say("MAIL FROM:<a@example.net>", 250)
                c.say("RCPT TO:<b@example.org>", 451)
            elif at == "rcpt":
                w.mta.says["RCPT"] = DIE
                c.say("MAIL FROM:<a@example.net>", 250)
                c.say("RCPT TO:<b@example.org>", 451)
            elif at == "data":
                w.mta.says["DATA"] = DIE
                c.envelope()
                assert c.data(stuffed(MESSAGE)) == 451
            elif at == "dot":
                w.mta.says["DOT"] = DIE
                c.envelope()
                assert c.data(stuffed(MESSAGE)) == 451
            else:
                w.mta.says["RSET"] = b"500 no\r\n"
                c.envelope()
                c.say("RSET", 250)
                c.say("MAIL FROM:<a@example.net>", 250)
                c.say("RCPT TO:<b@example.org>", 451)
            c.expect(421, b"log in again")
            c.expect_end()


@case
def lost_at_rest():
    "The mail server closes an authenticated connection on which nothing happens: 421 at once"
    mta, told = Server(), threading.Event()
    mta.usual[b"PLAIN"] = lambda d, first: (d.conn.sendall(YES_AUTH), told.wait(play.WAIT), DIE)[2]
    with World(mta=mta) as w:
        c = w.client()
        log_in(c)
        told.set()
        c.expect(421, b"log in again")
        c.expect_end()
    mta = Server()
    mta.usual[b"PLAIN"] = lambda d, first: YES_AUTH + b"250 and more\r\n"
    with World(mta=mta) as w:
        log_in(w.client(), code=454)


@case
def lost_within():
    "The mail server goes within the dialogue: 454 to the answer, and the session goes on without an account"
    mta = Server()
    gone = []

    def judge(d, first):
        d.conn.sendall(b"334 YWJj\r\n")
        gone.append(1)
        return DIE
    mta.usual[b"LOGIN"] = judge
    with World(mta=mta) as w:
        c = w.client()
        c.say("AUTH LOGIN", 334)
        until(lambda: w.mta.open == 0, "the mail server to go")
        c.say(b64(b"alice"), 454, b"4.7.0")
        c.say("NOOP", 250)
        c.say("AUTH LOGIN", 334)
        c.close()
        until(lambda: w.mta.open == 0, "the end of the connection")
        c = w.client()
        log_in(c)
        send_one(c)


@case
def handed_over():
    "XCLIENT with LOGIN: the account is told to a new connection, which takes the lost one's place"
    mta = Server(ehlo=(b"PIPELINING", b"XCLIENT NAME ADDR PORT PROTO HELO LOGIN"))
    with World(handoff="xclient", mta=mta) as w:
        c = w.client()
        log_in(c)
        w.mta.says["RCPT"] = DIE
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RCPT TO:<b@example.org>", 451)
        del w.mta.says["RCPT"]
        c.say("RSET", 250)
        send_one(c)
        told = [line for line in w.mta.lines if line.startswith(b"XCLIENT")]
        assert b"LOGIN=[UNAVAILABLE]" in told[0] and told[1].endswith(b" LOGIN=alice"), told
        # once it does not offer LOGIN any more, the session is over
        w.mta.ehlo[1] = b"XCLIENT NAME ADDR PORT PROTO HELO"
        w.mta.says["MAIL"] = DIE
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RCPT TO:<b@example.org>", 451)
        del w.mta.says["MAIL"]
        c.say("RSET", 250)
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RCPT TO:<b@example.org>", 451)
        c.expect(421)
        # who acts as another is not handed over
        w.mta.ehlo[1] = b"XCLIENT NAME ADDR PORT PROTO HELO LOGIN"
        c = w.client()
        c.say(b"AUTH PLAIN " + plain(b"alice", PASSWORD, b"boss"), 235)
        w.mta.says["MAIL"] = DIE
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RCPT TO:<b@example.org>", 451)
        c.expect(421)


@case
def forgotten():
    "STARTTLS and XCLIENT forget who was authenticated, RSET and EHLO do not"
    rules = 'at mail { reject 550 5.7.1 "<${account}>" if authenticated }'
    with World("trust 127.0.0.1\n", rules) as w:
        c = w.client()
        log_in(c)
        c.say("RSET", 250)
        c.hello()
        c.say("MAIL FROM:<a@example.net>", 550, b"<alice>")
        c.say("STARTTLS", 220)
        c.starttls(AUTHORITY.client(), "mx.example.org")
        c.hello()
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RSET", 250)
        log_in(c)
        c.say("MAIL FROM:<a@example.net>", 550, b"<alice>")
        c.say("XCLIENT ADDR=192.0.2.9", 220)
        c.hello()
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RSET", 250)
        c.say("XCLIENT LOGIN=bob", 220)
        c.hello()
        log_in(c, code=503)
        c.say("MAIL FROM:<a@example.net>", 550, b"<bob>")


@case
def own_link():
    "A connection on which AUTH was said serves that client alone, whether it succeeded or not"
    with World() as w:
        c = w.client()
        log_in(c, password=WRONG, code=535)
        c.say("QUIT", 221)
        c = w.client()
        log_in(c)
        send_one(c)
        c.say("QUIT", 221)
        before = w.mta.connections
        c = w.client()
        send_one(c)
        assert w.mta.connections == before + 1


# ---- AUTH= of MAIL ----


@case
def parameter():
    "AUTH= of MAIL: passed on for who is authenticated, <> for who is not, checked for both"
    with World("errors 100\n") as w:
        c = w.client()
        for value, said in (("<>", b"<>"), ("e+3Dmc2@example.com", b"<>")):
            c.say("MAIL FROM:<a@example.net> AUTH=%s" % value, 250)
            c.say("RCPT TO:<b@example.org>", 250)
            assert b"AUTH=" + said in w.mta.lines[-2], w.mta.lines
            c.say("RSET", 250)
        for value in ("a+b@example.com", "a+0Ab@example.com", "x" * 501):
            c.say("MAIL FROM:<a@example.net> AUTH=%s" % value, 501)
        c.say("MAIL FROM:<a@example.net> AUTH", 501)
        log_in(c)
        c.say("MAIL FROM:<a@example.net> AUTH=e+3Dmc2@example.com", 250)
        c.say("RCPT TO:<b@example.org>", 250)
        assert w.mta.lines[-2].endswith(b" AUTH=e+3Dmc2@example.com"), w.mta.lines
    with World(clear=False) as w:
        w.client().say("MAIL FROM:<a@example.net> AUTH=<>", 555)


# ---- rules, plans ----


@case
def policy():
    "Rules and plans see the account, in whatever case it is written; the default rules let it pass"
    settings = 'list payers { "alice" }\nplan small { 1 messages per day; for accounts in payers }\n'
    with World(settings, rules="") as w:
        c = w.client()
        log_in(c)
        send_one(c)
        w.entry(verdict="accept", account="alice")
        c.say("QUIT", 221)
        until(lambda: quota_is_used(w), "the count")
        with open(w.postern.log.name, errors="replace") as f:
            assert "account=\"ALICE\"" in f.read()


def quota_is_used(w):
    c = w.client()
    log_in(c, b"ALICE")
    c.say("MAIL FROM:<a@example.net>", 250)
    c.send(b"RCPT TO:<b@example.org>\r\n")
    code, text = c.reply()
    c.close()
    return code == 452 and b"plan small" in text


# ---- those who guess ----


@case
def guesses():
    "A connection is closed after `auth_failures`; each is an entry with the account, seen by rules as auth.failures"
    rules = ('at connect { reject 554 5.7.1 "guesser: ${auth.failures(client, 1h)}" '
             'if auth.failures(client, 1h) >= 4 }\n'
             'at mail { reject 550 5.7.1 "${auth.failures(account, 1h)} for you" if authenticated }')
    with World(rules=rules) as w:
        c = w.client()
        for user in (b"alice", b"Alice", b"bob"):
            log_in(c, user, WRONG, 535)
        c.expect(421, b"4.7.0")
        c.expect_end()
        until(lambda: len([e for e in w.postern.entries() if e["rule"] == "backend: AUTH PLAIN"]) == 3, "entries")
        assert [e["account"] for e in w.postern.entries()][:3] == ["alice", "Alice", "bob"]
        c = w.client()
        log_in(c)
        c.say("MAIL FROM:<a@example.net>", 550, b"2 for you")
        c.say("QUIT", 221)
        c = w.client()
        log_in(c, b"bob", WRONG, 535)
        c.close()

        def turned_away():
            c = Client(w.postern, greet=False)
            code, text = c.reply()
            c.close()
            return code == 554 and b"guesser: 4" in text
        until(turned_away, "the rule of connect")


@case
def floods():
    "A client with too many failures in a minute is refused before the mail server hears of it, others are not"
    with World("auth_failures_per_minute 3\nauth_failures 1\nerrors 5\ntrust 127.0.0.7\n") as w:
        play.early_in_a_minute()
        for _ in range(3):
            c = w.client()
            log_in(c, password=WRONG, code=535)
            c.expect(421)
            c.close()
        heard = len(w.mta.heard)

        def refused():
            c = w.client()
            c.send(b"AUTH PLAIN " + plain(b"alice", PASSWORD) + b"\r\n")
            code, text = c.reply()
            if code != 454:
                c.close()
                return False
            assert b"Too many authentications failed" in text, text
            for code in (454, 454, 454, 421):
                log_in(c, code=code)
            c.expect_end()
            return True
        until(refused, "the limit")
        assert len([h for h in w.mta.heard[heard:] if h.startswith(b"AUTH")]) < 3
        w.logged("event=disconnect .*why=\"errors\"")
        c = Client.__new__(Client)
        c.socket = socket.create_connection((w.postern.host, w.postern.port), play.WAIT,
                                            source_address=("127.0.0.8", 0))
        c.input = b""
        c.expect(220)
        c.hello()
        log_in(c)


# ---- passwords ----


def memory_of(pid):
    """What process pid can write to, in pieces; nothing when it is not to be read."""
    try:
        with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
            for line in maps:
                span, rights = line.split()[:2]
                low, high = (int(x, 16) for x in span.split("-"))
                if not rights.startswith("rw") or high - low > 256 << 20 or "[v" in line:
                    continue
                try:
                    mem.seek(low)
                    yield mem.read(high - low)
                except (OSError, ValueError, OverflowError):
                    continue
    except PermissionError:
        return


def children(pid):
    out = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            child = int(path.split("/")[2])
            out += [child] + children(child)
    return out


def holds(octets, secrets):
    return [s for s in secrets if s in octets]


@case
def nowhere():
    "No password in log, journal, store, traces, replies or memory, in the clear or in base64, right or wrong"
    rules = ('at mail { score 1 if authenticated\nadd header "X-Account" "${account}" if authenticated }\n'
             'at rcpt { reject 550 5.7.1 "no ${account}" if recipient = "never@example.org" }')
    secrets = [PASSWORD, WRONG]
    for secret in (PASSWORD, WRONG):
        # each third of a group, as base64 shows it from within
        for shift in range(3):
            coded = b64(b"x" * shift + secret)
            secrets.append(coded[4 * (shift > 0):][:len(coded) - 12])
    mta = Server()

    def echo(d, first):
        return b"535 5.7.8 I do not like " + (first or mta.ask(d, b"")) + b" " + WRONG + b"\r\n"
    mta.usual[b"CRAM-MD5"] = echo
    with World("auth_failures 100\nerrors 1000\n", rules, mta=mta) as w:
        for secured in (False, True):
            c = w.secured() if secured else w.client()
            log_in(c, password=WRONG, code=535)
            c.say(b"AUTH LOGIN " + b64(b"alice"), 334)
            c.say(b64(WRONG), 535)
            c.say("AUTH PLAIN", 334)
            c.say(plain(b"alice", WRONG), 535)
            c.say(b"AUTH CRAM-MD5 " + b64(WRONG), 535)
            c.say("AUTH PLAIN", 334)
            c.say(plain(b"alice", WRONG) + b"*", 501)
            c.say(b"AUTH PLAIN " + b64(WRONG) + b"*", 501)
            c.say(b"AUTH NOSUCH " + b64(WRONG), 504)
            c.say(b"AUTH PLAIN " + plain(b"", WRONG) + b" " + WRONG, 501)
            c.say(b"AUTH PLAIN " + b64(WRONG * 100), 535)
            log_in(c)
            c.say("MAIL FROM:<a@example.net>", 250)
            c.say("RCPT TO:<never@example.org>", 550)
            c.say("RCPT TO:<b@example.org>", 250)
            c.data(stuffed(MESSAGE), 250)
            w.entry(rule="backend: AUTH PLAIN")
            for pid in children(w.postern.process.pid) + [w.postern.process.pid]:
                for piece in memory_of(pid):
                    assert not holds(piece, secrets), "in memory of %d: %r" % (
                        pid, [(s, piece[max(piece.index(s) - 60, 0):piece.index(s) + 80])
                              for s in holds(piece, secrets)])
            c.say("QUIT", 221)
        w.postern.process.send_signal(signal.SIGTERM)
        w.postern.process.wait(play.WAIT)
        for path in glob.glob(w.postern.folder + "/*"):
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    text = f.read()
                assert not holds(text, secrets), (path, holds(text, secrets))
        assert not holds(b"".join(t.octets for t in w.mta.taken), secrets)
        assert b"X-Account: alice" in w.mta.taken[0].octets


if __name__ == "__main__":
    play.main(CASES, FOLDER)
