"""How the mail server learns whom a message comes from: every attribute of XCLIENT that it knows, both versions of
the PROXY protocol, and all of it over IPv6; and what a trusted client may say of others by XCLIENT."""

import socket

import play
from play import Client, MTA, Postern

ALL = b"NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME"
CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


def run(function, handoff, mta_host="127.0.0.1", host="127.0.0.1", xclient=False, settings=""):
    mta = MTA(xclient=xclient, words=ALL, host=mta_host)
    p = Postern(mta.port, settings, handoff=handoff, host=host, mta_host=mta_host)
    try:
        function(mta, p)
    finally:
        p.stop()
        mta.stop()


def send(p, says=None, hello="EHLO client.example"):
    c = Client(p)
    if says:
        c.say(says, 220)
    c.say(hello, 250)
    c.envelope()
    assert c.data(b"A: b\r\n\r\nx\r\n.\r\n") == 250
    ends = c.socket.getsockname()[:2] + c.socket.getpeername()[:2]
    c.say("QUIT", 221)
    c.close()
    return ends


def words(mta):
    line = [line for line in mta.lines if line.startswith(b"XCLIENT")][-1].decode()
    return dict(word.split("=", 1) for word in line.split()[1:])


def without_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return False
    except OSError:
        return True


@case
def attributes():
    "XCLIENT has every attribute that the mail server offers"
    def play_it(mta, p):
        ip, port, _, own = send(p)
        assert words(mta) == {
            "NAME": "[UNAVAILABLE]", "REVERSE_NAME": "[UNAVAILABLE]", "ADDR": ip,
            "PORT": str(port), "PROTO": "ESMTP", "HELO": "client.example",
            "LOGIN": "[UNAVAILABLE]", "DESTADDR": "127.0.0.1", "DESTPORT": str(own)}, words(mta)
        send(p, hello="HELO client.example")
        assert words(mta)["PROTO"] == "SMTP"
    run(play_it, "xclient", xclient=True)


@case
def through():
    "what a trusted client says by XCLIENT goes on to the mail server"
    def play_it(mta, p):
        assert b"XCLIENT NAME REVERSE_NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT" in \
            Client(p).hello()
        send(p, "XCLIENT ADDR=IPV6:2001:db8::7 PORT=4711 NAME=a.example REVERSE_NAME=b.example "
             "LOGIN=joe DESTADDR=192.0.2.9 DESTPORT=587 PROTO=SMTP HELO=told.example")
        assert words(mta) == {
            "NAME": "a.example", "REVERSE_NAME": "b.example", "ADDR": "IPV6:2001:db8::7",
            "PORT": "4711", "PROTO": "ESMTP", "HELO": "client.example", "LOGIN": "joe",
            "DESTADDR": "192.0.2.9", "DESTPORT": "587"}, words(mta)
        c = Client(p)
        c.say("XCLIENT ADDR=192.0.2.7 HELO=told.example", 220)
        c.say("MAIL FROM:<a@example.net>", 503)
        c.close()
        play.until(lambda: 'helo="told.example"' in p.log_text(), "the HELO that was told")
    run(play_it, "xclient", xclient=True, settings="trust 127.0.0.0/8")


@case
def version_1():
    "the PROXY protocol, version 1; an unknown client is not ourselves"
    def play_it(mta, p):
        ip, port, _, own = send(p)
        assert b"PROXY TCP4 %s 127.0.0.1 %d %d" % (ip.encode(), port, own) in mta.lines, mta.lines
        send(p, "XCLIENT ADDR=[UNAVAILABLE] PORT=0")
        assert b"PROXY TCP4 0.0.0.0 127.0.0.1 0 %d" % own in mta.lines, mta.lines
    run(play_it, "proxy-protocol", settings="trust 127.0.0.0/8")


@case
def version_2():
    "the PROXY protocol, version 2; a probe is the proxy's own"
    def play_it(mta, p):
        _, port, _, own = send(p)
        assert mta.headers[0] == b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", mta.headers
        assert mta.headers[-1] == (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([127, 0, 0, 1] * 2) +
            port.to_bytes(2, "big") + own.to_bytes(2, "big")), mta.headers
    run(play_it, "proxy-protocol v2")


@case
def ipv6():
    "a client over IPv6 and a mail server at IPv6, in every way"
    if without_ipv6():
        print("# there is no ::1 here")
        return

    def by_xclient(mta, p):
        send(p)
        assert words(mta)["ADDR"] == "IPV6:::1" and words(mta)["DESTADDR"] == "IPV6:::1"

    def by_version_1(mta, p):
        _, port, _, own = send(p)
        assert b"PROXY TCP6 ::1 ::1 %d %d" % (port, own) in mta.lines, mta.lines

    def by_version_2(mta, p):
        send(p)
        assert mta.headers[-1][12:16] == b"\x21\x21\0\x24", mta.headers
        assert mta.headers[-1][16:48] == socket.inet_pton(socket.AF_INET6, "::1") * 2

    run(by_xclient, "xclient", "::1", "::1", xclient=True)
    run(by_version_1, "proxy-protocol", "::1", "::1")
    run(by_version_2, "proxy-protocol v2", "::1", "::1")


@case
def mixed():
    "a client of one family and a mail server of the other"
    if without_ipv6():
        print("# there is no ::1 here")
        return

    def play_it(mta, p):
        send(p, "XCLIENT ADDR=IPV6:2001:db8::7 PORT=4711")
        assert b"PROXY TCP6 2001:db8::7 ::ffff:127.0.0.1 4711 %d" % p.port in mta.lines, mta.lines
    run(play_it, "proxy-protocol", "::1", settings="trust 127.0.0.0/8")


if __name__ == "__main__":
    play.main(CASES)
