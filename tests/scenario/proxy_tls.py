"""TLS: STARTTLS and TLS from the first octet with clients, STARTTLS with the MTA. What was said in the clear
counts for nothing inside, and nobody is kept from the other side's octets by it."""

import fcntl
import json
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import tempfile
import termios
import threading
import time

import play
from certificates import Authority, setting
from play import Client, MTA, Postern, free_port, stuffed, until

MESSAGE = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: x\r\n\r\nHello\r\n"

FOLDER = tempfile.mkdtemp(prefix="postern-tls-")
AUTHORITY = Authority(FOLDER)
OURS = AUTHORITY.sign("ours", "mx.example.org")
OTHER = AUTHORITY.sign("other", "*.example.com", "mail.example.net")
BACKEND = AUTHORITY.sign("backend", "mta.example")

CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


class World:
    """A mail server and posternd in front of it, cleaned up behind a case."""

    def __init__(self, settings=setting(OURS), rules="at connect { }", handoff="", mta=None, drain="5s"):
        self.mta = mta or MTA()
        self.postern = Postern(self.mta.port, settings, rules, handoff, drain=drain)

    def __enter__(self):
        self.mta.probed()
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.text = self.postern.stop()
        finally:
            self.mta.stop()

    def client(self):
        return Client(self.postern)

    def secured(self, name="mx.example.org"):
        """A client that said STARTTLS, inside."""
        c = self.client()
        assert b"STARTTLS" in c.hello()
        c.say("STARTTLS", 220)
        c.starttls(AUTHORITY.client(), name)
        return c

    def logged(self, pattern):
        until(lambda: re.search(pattern, self.postern.log_text()), pattern + " in the log")


def names_of(c):
    return [v for k, v in c.socket.getpeercert()["subjectAltName"]]


def send_one(c, message=MESSAGE, code=250):
    c.envelope()
    return c.data(stuffed(message), code)


@case
def starttls():
    "STARTTLS: offered in the clear only, EHLO is forgotten, the message arrives with its Received"
    with World() as w:
        c = w.secured()
        assert c.socket.version() == "TLSv1.3", c.socket.version()
        c.say("MAIL FROM:<a@example.net>", 503)
        offer = c.hello()
        assert b"STARTTLS" not in offer and b"PIPELINING" in offer, offer
        c.say("STARTTLS", 503, b"on already")
        send_one(c)
        c.say("QUIT", 221)
        c.expect_end()
        taken = w.mta.taken[0]
        assert taken.ours() == MESSAGE, taken.octets
        field = taken.octets.split(b"\r\n\t")
        assert field[1].startswith(b"by mx.example.org with ESMTPS id "), field
        assert field[2].startswith(b"(TLSv1.3 TLS_"), field


@case
def not_offered():
    "Without a certificate STARTTLS is neither offered nor taken"
    with World(settings="") as w:
        c = w.client()
        assert b"STARTTLS" not in c.hello()
        c.say("STARTTLS", 502)
        send_one(c)


@case
def syntax():
    "STARTTLS takes no argument and no transaction; HELO has no offer"
    with World() as w:
        c = w.client()
        c.say("STARTTLS now", 501)
        assert b"STARTTLS" not in c.say("HELO client.example", 250)
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("STARTTLS", 503)
        c.say("RSET", 250)
        c.say("STARTTLS", 220)
        c.starttls(AUTHORITY.client(), "mx.example.org")
        c.hello()
        send_one(c)


@case
def old_versions():
    "TLS 1.2 is spoken, 1.1 is not; with minimum 1.3 only that is"
    context = AUTHORITY.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with World() as w:
        c = w.client()
        c.say("STARTTLS", 220)
        c.starttls(context, "mx.example.org")
        assert c.socket.cipher()[0].startswith("ECDHE-"), c.socket.cipher()
        c.hello()
        send_one(c)
        assert b"(TLSv1.2 ECDHE-" in w.mta.taken[0].octets
    with World(setting(OURS) + "tls { minimum 1.3 }") as w:
        c = w.client()
        c.say("STARTTLS", 220)
        try:
            c.starttls(context, "mx.example.org")
            raise AssertionError("TLS 1.2 was spoken")
        except ssl.SSLError:
            pass
        w.logged("event=tls-failed ip=127.0.0.1 why=\"unsupported protocol\"")


@case
def implicit():
    "TLS from the first octet: rules of connect know it, the greeting comes inside"
    port = free_port()
    with World(setting(OURS) + "listen proxy 127.0.0.1 port %d tls\n" % port,
               'at connect { reject 554 5.7.1 "no TLS" if not tls }') as w:
        c = Client(w.postern, greet=False)
        c.expect(554, b"no TLS")
        w.postern.port = port
        c = Client(w.postern, greet=False)
        c.starttls(AUTHORITY.client(), "mx.example.org")
        c.expect(220)
        assert b"STARTTLS" not in c.hello()
        c.say("STARTTLS", 503)
        send_one(c)
        c.say("QUIT", 221)
        c.expect_end()
        assert w.mta.taken[0].ours() == MESSAGE
        # Whoever speaks in the clear there hears nothing.
        c = Client(w.postern, greet=False)
        c.send(b"EHLO client.example\r\n")
        c.expect_end()
        w.logged("event=tls-failed")


def journal(w):
    code, said, complaint = w.postern.command("log", "--json")
    assert code == 0, complaint
    return [json.loads(line) for line in said.splitlines()]


@case
def injected_together():
    "Commands in the packet of STARTTLS end the session and are never run (CVE-2011-0411)"
    with World() as w:
        for more in (b"RSET\r\n", b"EHLO evil.example\r\n", b"MAIL FROM:<evil@example.net>\r\n",
                     b"x", b"\x16\x03\x01\x00\x05hello"):
            c = w.client()
            c.hello()
            c.send(b"STARTTLS\r\n" + more)
            c.expect(554, b"Nothing may follow STARTTLS")
            c.expect_end()
        entries = [e for e in journal(w) if e["rule"] == "limit: plaintext after STARTTLS"]
        assert len(entries) == 5, entries
        assert entries[0]["verdict"] == "reject" and entries[0]["code"] == 554, entries[0]


@case
def injected_split():
    "Commands that follow STARTTLS in a packet of their own are never run either"
    with World() as w:
        for pause in (0, 0.001, 0.02):
            c = w.client()
            c.hello()
            c.send(b"STARTTLS\r\n")
            time.sleep(pause)
            c.send(b"EHLO evil.example\r\nMAIL FROM:<evil@example.net>\r\n")
            code, lines = c.reply()
            assert code in (220, 554), (code, lines)
            c.expect_end()
        w.logged("event=tls-failed|plaintext after STARTTLS")
        # The next client is served.
        send_one_secured(w)


def send_one_secured(w):
    c = w.secured()
    c.hello()
    send_one(c)
    c.say("QUIT", 221)


@case
def pipelined_inside():
    "The client's first words may come with the end of its handshake"
    with World() as w:
        c = w.secured()
        c.send(b"EHLO client.example\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n"
               b"DATA\r\n")
        for code in (250, 250, 250, 354):
            c.expect(code)
        c.send(stuffed(MESSAGE) + b"QUIT\r\n")
        c.expect(250)
        c.expect(221)
        c.expect_end()


@case
def big():
    "20 MB arrive as they were sent, with TLS on one side, the other, and both"
    random.seed(7)
    lines = [bytes(random.choices(range(32, 127), k=random.randrange(0, 200))) for _ in range(2000)]
    body = b"\r\n".join(lines) + b"\r\n"
    message = b"Subject: big\r\n\r\n" + body * (20 * 1024 * 1024 // len(body) + 1)
    for inside, outside in ((True, False), (False, True), (True, True)):
        mta = MTA()
        if outside:
            mta.tls = AUTHORITY.server(BACKEND)
        with World(setting(OURS), handoff="starttls required" if outside else "", mta=mta) as w:
            c = w.secured() if inside else w.client()
            c.hello()
            send_one(c, message)
            assert w.mta.taken[0].ours() == message, (inside, outside)
            assert mta.handshakes > 0 or not outside


@case
def torn():
    "Records of one octet, and of all sizes, are taken as they come"
    random.seed(11)
    message = b"Subject: torn\r\n\r\n" + b"".join(
        bytes(random.choices(range(33, 127), k=70)) + b"\r\n" for _ in range(6000))
    with World() as w:
        c = w.secured()
        for octet in b"EHLO client.example\r\n":
            c.send(bytes((octet,)))
        c.expect(250)
        c.envelope()
        c.say("DATA", 354)
        wire = stuffed(message)
        at = 0
        while at < len(wire):
            n = random.choice((1, 2, 100, 4095, 4096, 4097, 16384, 16385, 40000))
            c.send(wire[at:at + n])
            at += n
        c.expect(250)
        assert w.mta.taken[0].ours() == message


@case
def garbage():
    "What is no handshake ends the session, logged and counted; the next one is served"
    with World() as w:
        for octets in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 600,
                       b"\0" * 100, b"\x80\x2e\x01\x03\x01" + b"\0" * 50):
            c = w.client()
            c.say("STARTTLS", 220)
            c.send(octets)
            assert c.reply()[0] is None
        c = w.client()
        c.say("STARTTLS", 220)
        c.close()
        until(lambda: len(re.findall("event=tls-failed", w.postern.log_text())) == 5, "five failures")
        send_one_secured(w)
    assert re.search('event=limit limit="limit: TLS handshake" times=5', w.text), w.text


@case
def resets():
    "Octets of the handshake that are changed on the way end it, at each of its octets"
    with World() as w:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = AUTHORITY.client().wrap_bio(incoming, outgoing, server_hostname="mx.example.org")
        try:
            hello.do_handshake()
        except ssl.SSLWantReadError:
            pass
        octets = outgoing.read()
        for n in range(0, len(octets), 23):
            c = w.client()
            c.say("STARTTLS", 220)
            c.send(octets[:n] + bytes((octets[n] ^ 0xff,)) + octets[n + 1:])
            c.close()
        send_one_secured(w)


@case
def slow():
    "A handshake that takes too long is ended by its own deadline"
    port = free_port()
    with World(setting(OURS) + "timeout tls 1s\nlisten proxy 127.0.0.1 port %d tls\n" % port) as w:
        c = w.client()
        c.say("STARTTLS", 220)
        c.expect_end()
        w.postern.port = port
        d = Client(w.postern, greet=False)
        d.send(b"\x16\x03\x01")
        d.expect_end()
        until(lambda: len(re.findall('why="it took too long"', w.postern.log_text())) == 2, "both")


@case
def chosen():
    "The certificate is chosen by the name that the client asks for"
    with World(setting(OURS) + setting(OTHER)) as w:
        lax = AUTHORITY.client()
        lax.check_hostname = False
        for name, expected in (("mx.example.org", "mx.example.org"), ("MX.example.ORG", "mx.example.org"),
                               ("a.example.com", "*.example.com"), ("mail.example.net", "*.example.com"),
                               ("a.b.example.com", "mx.example.org"), ("nobody.example", "mx.example.org"),
                               (None, "mx.example.org")):
            c = w.client()
            c.say("STARTTLS", 220)
            c.starttls(lax, name)
            assert names_of(c)[0] == expected, (name, names_of(c))
            c.hello()
            c.close()


def reload(w, what):
    w.postern.process.send_signal(signal.SIGHUP)
    w.logged(what)


@case
def reloaded():
    "SIGHUP: new sessions get the new certificate, open ones go on, a broken one changes nothing"
    moving = AUTHORITY.sign("moving", "mx.example.org", "first.example")
    with World(setting(moving)) as w:
        old = w.secured()
        old.hello()
        waits = w.client()
        assert "first.example" in names_of(old)
        AUTHORITY.sign("moving", "mx.example.org", "second.example")
        reload(w, "event=reload result=ok")
        new = w.secured()
        assert "second.example" in names_of(new)
        # Begun before, it shows what was in force then.
        waits.say("STARTTLS", 220)
        waits.starttls(AUTHORITY.client(), "mx.example.org")
        assert "first.example" in names_of(waits)
        for c in (old, new, waits):
            c.hello()
            send_one(c)
        shutil.copy(OURS + ".key", moving + ".key")
        reload(w, r"event=reload at=\S*:\d+:13 error=\"the key is not that of the first certificate")
        w.logged("event=reload result=failed")
        last = w.secured()
        assert "second.example" in names_of(last)
        last.hello()
        send_one(last)
        assert len(w.mta.taken) == 4


@case
def xclient():
    "XCLIENT inside: the new session is secured too; before STARTTLS: trust is kept"
    with World(setting(OURS) + "trust 127.0.0.0/8\n",
               'at rcpt { reject 550 5.7.1 "tls ${tls} ${client.ip}" }') as w:
        c = w.secured()
        assert b"XCLIENT" in c.hello()
        c.say("XCLIENT ADDR=192.0.2.9", 220)
        assert b"STARTTLS" not in c.hello()
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RCPT TO:<b@example.org>", 550, b"tls yes 192.0.2.9")
        c = w.client()
        c.say("XCLIENT ADDR=192.0.2.10", 220)
        c.hello()
        c.say("STARTTLS", 220)
        c.starttls(AUTHORITY.client(), "mx.example.org")
        assert b"XCLIENT" in c.hello()
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RCPT TO:<b@example.org>", 550, b"tls yes 192.0.2.10")


@case
def facts():
    "Rules see version, cipher and the client's certificate; the journal has them"
    rules = ('at mail { reject 550 5.7.1 "v=${tls.version} c=${tls.cipher} n=${tls.client_cert} '
             'f=${tls.client_fingerprint}" }')
    stranger = Authority(tempfile.mkdtemp(dir=FOLDER)).sign("stranger", "stranger.example")
    ours = AUTHORITY.sign("client", "client.example")
    with World(setting(OURS) + 'tls { ca "%s"; ask client certificate on }' % AUTHORITY.ca, rules) as w:
        for certificate, name, print_ in ((ours, b"n=client.example ", b"f=[0-9a-f]{64}"),
                                          (stranger, b"n= ", b"f=[0-9a-f]{64}"),
                                          (None, b"n= ", b"f= ")):
            context = AUTHORITY.client()
            if certificate:
                context.load_cert_chain(certificate + ".pem", certificate + ".key")
            c = w.client()
            c.hello()
            c.say("STARTTLS", 220)
            c.starttls(context, "mx.example.org")
            c.hello()
            text = c.say("MAIL FROM:<a@example.net>", 550, b"v=TLSv1.3 c=TLS_")
            assert name in text and re.search(print_, text), text
        found = journal(w)[0]
        assert found["facts"]["tls.version"] == "TLSv1.3", found


@case
def accept_session():
    "`accept session` at helo is void after STARTTLS, at connect it is not"
    for step, code in (("helo", 550), ("connect", 250)):
        with World(rules='at %s { accept session if not tls }\n'
                         'at mail { reject 550 5.7.1 "judged" }' % step) as w:
            c = w.secured()
            c.hello()
            c.say("MAIL FROM:<a@example.net>", code)


@case
def half_open():
    "A client that ends TLS without saying so has still sent its message"
    with World() as w:
        c = w.secured()
        c.hello()
        send_one(c)
        c.socket.shutdown(socket.SHUT_RDWR)
        c.close()
        c = w.secured()
        c.hello()
        c.envelope()
        c.say("DATA", 354)
        c.send(stuffed(MESSAGE)[:-3])
        c.close()
        w.logged("why=\"left within a message\"")
        assert len(w.mta.taken) == 1


@case
def end_within():
    "Clients that leave while posternd stops do not hold it up"
    for _ in range(5):
        # Else it would be killed before.
        with World(drain="2h") as w:
            for c in [w.secured() for _ in range(5)]:
                c.hello()
                c.close()


@case
def unread_replies():
    "A client that reads nothing is not run ahead of, and loses nothing"
    with World() as w:
        c = w.secured()
        c.hello()
        n = 20000

        def feed():
            for _ in range(n // 100):
                c.send(b"NOOP\r\n" * 100)
        thread = threading.Thread(target=feed, daemon=True)
        thread.start()
        # Replies have heaped up.
        until(lambda: struct.unpack("i", fcntl.ioctl(c.socket, termios.FIONREAD, bytes(4)))[0] > 32768,
              "unread replies")
        for _ in range(n):
            c.expect(250)
        thread.join()
        send_one(c)


def backend_world(mode, mta, settings=""):
    return World('tls ca "%s"\nbackend timeout command 20s\n' % AUTHORITY.ca + settings, mta=mta,
                 handoff=mode)


def tls_mta(base=BACKEND, **more):
    mta = MTA(**more)
    mta.tls = AUTHORITY.server(base)
    return mta


def outcome(w):
    """What one message comes to."""
    c = w.client()
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.send(b"RCPT TO:<b@example.org>\r\n")
    code, _ = c.reply()
    if code != 250:
        return code
    return c.data(stuffed(MESSAGE))


@case
def backend_modes():
    "The backend: off, opportunistic, required and verify with a good certificate"
    for mode, shakes in (("", False), ("starttls off", False), ("starttls opportunistic", True),
                         ("starttls required", True), ('starttls verify "mta.example"', True)):
        with backend_world(mode, tls_mta()) as w:
            assert outcome(w) == 250, mode
            assert (w.mta.handshakes > 0) == shakes, (mode, w.mta.handshakes)
            assert w.mta.taken[0].ours() == MESSAGE


@case
def backend_no_offer():
    "The backend offers no STARTTLS: opportunistic stays clear, the others wait for better days"
    for mode, code in (("starttls opportunistic", 250), ("starttls required", 451),
                       ('starttls verify "mta.example"', 451)):
        with backend_world(mode, MTA()) as w:
            assert outcome(w) == code, mode
            if code == 451:
                w.logged("it does not offer STARTTLS")
                assert not any(line.startswith(b"MAIL") for line in w.mta.lines)


@case
def backend_refuses():
    "The backend refuses STARTTLS: opportunistic goes on in the clear on that connection"
    for mode, code in (("starttls opportunistic", 250), ("starttls required", 451)):
        mta = tls_mta()
        mta.says["STARTTLS"] = b"454 4.7.0 not now\r\n"
        with backend_world(mode, mta) as w:
            assert outcome(w) == code, mode
            assert mta.handshakes == 0


@case
def backend_verify():
    "verify: neither another name nor another authority will do; required does not look"
    stranger = Authority(tempfile.mkdtemp(dir=FOLDER))
    strange = stranger.sign("strange", "mta.example")
    for mode, base, code, why in (
            ('starttls verify "other.example"', BACKEND, 451, "hostname mismatch"),
            ("starttls verify", BACKEND, 451, "IP address mismatch"),
            ('starttls verify "mta.example"', strange, 451, "unable to get local issuer"),
            ("starttls required", strange, 250, ""),
            ("starttls opportunistic", strange, 250, "")):
        with backend_world(mode, tls_mta(base)) as w:
            assert outcome(w) == code, mode
            w.logged(why)
            assert code == 250 or w.mta.handshakes == 0 or not w.mta.taken


@case
def backend_broken():
    "The handshake fails: opportunistic connects anew in the clear"
    for mode, code in (("starttls opportunistic", 250), ("starttls required", 451)):
        for reply in (b"220 go\r\nEHLO injected\r\n", b"220 go\r\n250 injected\r\n"):
            mta = tls_mta()
            mta.says["STARTTLS"] = reply
            with backend_world(mode, mta) as w:
                assert outcome(w) in (code, 451), mode
                assert mta.handshakes == 0
        mta = tls_mta()
        # After its 220 it goes on in the clear: the handshake hears no TLS.
        mta.says["STARTTLS"] = clear_after_220
        with backend_world(mode, mta) as w:
            assert outcome(w) == code, mode
            w.logged("event=backend-tls result=clear" if code == 250 else "no TLS with it")


def clear_after_220(dialogue, line):
    dialogue.conn.sendall(b"220 go\r\n")
    dialogue.more()  # the handshake's beginning: the 220 was taken
    dialogue.conn.sendall(b"250 injected in the clear\r\n")
    raise EOFError


@case
def backend_before():
    "What the backend said before the handshake counts for nothing: offers, and replies in advance"
    mta = tls_mta()

    def ehlo(dialogue, line):
        return (b"250-mta\r\n250 SIZE 9999\r\n" if dialogue.secured else
                b"250-mta\r\n250-8BITMIME\r\n250-SIZE 1111\r\n250 STARTTLS\r\n")
    mta.says["EHLO"] = ehlo
    with backend_world("starttls required", mta) as w:
        until(lambda: mta.handshakes, "the probe")
        until(lambda: b"SIZE 9999" in w.client().hello(), "what it said inside")
        offer = w.client().hello()
        assert b"8BITMIME" not in offer, offer
        assert outcome(w) == 250


@case
def backend_xclient():
    "XCLIENT comes after the handshake, and is looked for there"
    mta = tls_mta(xclient=True)
    seen = []
    mta.says["XCLIENT"] = lambda dialogue, line: seen.append(dialogue.secured)
    with backend_world("xclient starttls required", mta) as w:
        assert outcome(w) == 250
        assert seen == [True], seen


@case
def reload_ways():
    "A reload that brings STARTTLS to the backend serves sessions that began before"
    mta = tls_mta()
    with World("", mta=mta) as w:
        c = w.client()
        c.hello()
        with open(w.postern.conf) as f:
            text = f.read()
        with open(w.postern.conf, "w") as f:
            f.write(text.replace("port %d \n" % mta.port, "port %d starttls required\n" % mta.port))
        reload(w, "event=reload result=ok")
        until(lambda: mta.handshakes, "the probe")
        send_one(c)
        assert mta.handshakes == 2 and len(mta.taken) == 1


if __name__ == "__main__":
    play.main(CASES, FOLDER)
