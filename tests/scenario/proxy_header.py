"""The PROXY protocol in front of the proxy front: whom a session comes from is what a trusted proxy says, once,
before all else; nobody else is listened to."""

import socket
import struct

import play
from play import Client, MTA, Postern

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n"
V1_6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 25\r\n"
CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


def v2(client="192.0.2.7", server="198.51.100.1", command=1, tlv=b""):
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    body = (socket.inet_pton(family, client) + socket.inet_pton(family, server) +
            struct.pack("!HH", 4711, 25) + tlv)
    return SIGNATURE + bytes([0x20 | command, 0x21 if ":" in client else 0x11]) + \
        struct.pack("!H", len(body)) + body


def postern(mta, trust="127.0.0.1", more="", rules="at connect { }"):
    """On a second address it asks for a header."""
    p = Postern(mta.port, 'listen proxy 127.0.0.2 port %d from proxies\n%s%s'
                % (play.free_port(), "trust %s\n" % trust if trust else "", more),
                rules, handoff="xclient")
    with open(p.conf) as f:
        text = f.read()
    p.plain_port = p.port
    p.port = int(text.split("127.0.0.2 port ")[1].split()[0])
    return p


def connect(p, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.2", p.port), play.WAIT, (source, 0))


def client(p, octets, source="127.0.0.1"):
    c = Client.__new__(Client)
    c.socket, c.input = connect(p, source), b""
    c.send(octets)
    return c


def run(function, **how):
    mta = MTA(xclient=True)
    p = postern(mta, **how)
    try:
        function(mta, p)
    finally:
        text = p.stop()
        mta.stop()
    return text


def told(mta):
    return [line for line in mta.lines if line.startswith(b"XCLIENT")][-1]


@case
def tells():
    "the MTA learns the address of every kind of header"
    def play_it(mta, p):
        for octets, address in ((V1, b"ADDR=192.0.2.7 PORT=4711"),
                                (V1_6, b"ADDR=IPV6:2001:db8::7 PORT=4711"),
                                (v2(), b"ADDR=192.0.2.7 PORT=4711"),
                                (v2(tlv=b"\x04\0\3abc" * 100), b"ADDR=192.0.2.7 PORT=4711"),
                                (v2("2001:db8::7", "2001:db8::1"), b"ADDR=IPV6:2001:db8::7"),
                                (v2(command=0), b"ADDR=127.0.0.1"),
                                (b"PROXY UNKNOWN\r\n", b"ADDR=[UNAVAILABLE]")):
            c = client(p, octets)
            c.expect(220)
            c.hello()
            c.envelope()
            assert address in told(mta), (octets, told(mta))
            assert c.data(b"A: b\r\n\r\nx\r\n.\r\n") == 250
            c.say("QUIT", 221)
            c.close()
    run(play_it)


@case
def splits():
    "a header in two pieces, wherever it is cut, and with a client that does not wait"
    def play_it(mta, p):
        for octets in (V1, v2(tlv=b"\x04\0\3abc")):
            for n in range(1, len(octets)):
                c = client(p, octets[:n])
                c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                c.send(octets[n:])
                c.expect(220)
                c.say("QUIT", 221)
                c.close()
            c = client(p, octets + b"EHLO early\r\n")
            c.expect(220)
            c.expect(250)
            c.close()
    run(play_it)


@case
def refuses():
    "anything else than a header closes the connection, without a word"
    def play_it(mta, p):
        for octets in (b"EHLO x\r\n", b"\x16\x03\x01", V1.replace(b"TCP4", b"TCP5"),
                       v2()[:12] + b"\x31" + v2()[13:], b"PROXY " + b"x" * 200,
                       SIGNATURE + b"\x21\x11\xff\xff"):
            c = client(p, octets)
            c.expect_end()
            c.close()
        play.until(lambda: p.log_text().count("event=proxy-header") >= 6, "the log")
        c = client(p, V1)
        c.expect(220)
        c.close()
    text = run(play_it)
    assert 'result=closed why="it begins otherwise"' in text, text
    assert 'result=closed why="its line is too long"' in text, text


@case
def late():
    "a header that does not come in time closes the connection, also when it trickles"
    def play_it(mta, p):
        c = client(p, V1[:10])
        d = client(p, b"")
        c.expect_end()
        d.expect_end()
    text = run(play_it, more="timeout proxy header 300ms\n")
    assert text.count('result=closed why="its header did not come in time"') == 2, text


@case
def untrusted():
    "a peer that is not in `trust` is told so and closed; its header is not read"
    def play_it(mta, p):
        c = client(p, V1, source="127.0.0.9")
        c.expect(554, b"5.7.1 Only proxies")
        c.close()
    text = run(play_it)
    assert 'ip=127.0.0.9 result=closed why="it is not in `trust`"' in text, text


@case
def elsewhere():
    "on a listener that does not say so, a header is another protocol"
    def play_it(mta, p):
        for octets in (V1, v2()):
            c = Client.__new__(Client)
            c.socket = socket.create_connection(("127.0.0.1", p.plain_port), play.WAIT)
            c.input = b""
            c.expect(220)
            c.send(octets)
            c.expect(554, b"This is SMTP")
            assert c.reply()[0] is None
            c.close()
        assert not [line for line in mta.lines if b"192.0.2.7" in line]
    text = run(play_it)
    assert text.count("a PROXY header, but its listener is not `from proxies`") >= 2, text


@case
def rights():
    "the rights are those of the client that the header tells, not those of the proxy"
    def play_it(mta, p):
        c = client(p, V1)
        c.expect(220)
        assert b"XCLIENT" not in c.hello()
        c.say("XCLIENT ADDR=127.0.0.1", 550, b"5.7.0")
        c.close()
        c = client(p, b"PROXY UNKNOWN\r\n")
        c.expect(220)
        c.say("XCLIENT ADDR=127.0.0.1", 550, b"5.7.0")
        c.close()
        c = client(p, V1.replace(b"192.0.2.7", b"192.0.2.8"))
        c.expect(554, b"Blocked 192.0.2.8")
        c.close()
    run(play_it, rules='at connect { reject 554 5.7.1 "Blocked ${client.ip}" '
                       'if client.ip in { 192.0.2.8 } }')


@case
def drains():
    "SIGTERM does not wait for a header"
    def play_it(mta, p):
        c = client(p, b"PROXY ")
        d = client(p, V1)
        d.expect(220)
        d.close()
        p.process.terminate()
        c.expect_end()
        p.process.wait(play.WAIT)
    run(play_it, more="")


if __name__ == "__main__":
    play.main(CASES)
