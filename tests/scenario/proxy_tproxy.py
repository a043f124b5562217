"""Connections to the mail server that come from the client's own address. Three network namespaces of our own stand
for the client's network, the machine of posternd, which the mail server's packets pass, and the mail server."""

import ctypes
import os
import shutil
import subprocess

import play
from play import Client, MTA, Postern

CLONE_NEWNET = 0x40000000
OURS = "/proc/self/ns/net"
CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


def ip(*words):
    subprocess.run(("ip",) + words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class Net:
    """Client 10.77.1.2, posternd 10.77.1.1 and 10.77.2.1, mail server 10.77.2.2; the same in fd77::."""

    def __init__(self):
        self.names = ["postern-%d-%s" % (os.getpid(), who) for who in "cpm"]
        self.client, self.postern, self.mta = self.names
        self.own = os.open(OURS, os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self):
        try:
            for name in self.names:
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
            self.wire(self.client, "1", self.postern)
            self.wire(self.mta, "2", self.postern)
        except BaseException:
            self.__exit__()
            raise
        return self

    def wire(self, host, number, gateway):
        ip("-n", host, "link", "add", "eth0", "type", "veth", "peer", "name", "eth" + number, "netns", gateway)
        for where, link, last in ((host, "eth0", "2"), (gateway, "eth" + number, "1")):
            ip("-n", where, "addr", "add", "10.77.%s.%s/24" % (number, last), "dev", link)
            ip("-n", where, "addr", "add", "fd77:%s::%s/64" % (number, last), "dev", link, "nodad")
            ip("-n", where, "link", "set", link, "up")
        ip("-n", host, "route", "add", "default", "via", "10.77.%s.1" % number)
        ip("-n", host, "-6", "route", "add", "default", "via", "fd77:%s::1" % number)

    def answers_are_ours(self, port):
        """As docs/tproxy.md says: what the mail server answers is for the machine itself."""
        for family, everywhere in (("-4", "0.0.0.0/0"), ("-6", "::/0")):
            ip("-n", self.postern, family, "rule", "add", "iif", "eth2", "ipproto", "tcp", "sport", str(port),
               "lookup", "100")
            ip("-n", self.postern, family, "route", "add", "local", everywhere, "dev", "lo", "table", "100")

    def enter(self, name):
        fd = os.open("/run/netns/" + name, os.O_RDONLY | os.O_CLOEXEC)
        setns(fd)
        os.close(fd)

    def __exit__(self, *what):
        setns(self.own)
        os.close(self.own)
        for name in self.names:
            subprocess.run(("ip", "netns", "del", name), stderr=subprocess.DEVNULL, check=False)


def setns(fd):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def run(function, family, settings=""):
    own, mail = {4: ("10.77.1.1", "10.77.2.2"), 6: ("fd77:1::1", "fd77:2::2")}[family]
    with Net() as net:
        net.enter(net.mta)
        mta = MTA(host=mail)
        net.answers_are_ours(mta.port)
        net.enter(net.postern)
        p = Postern(mta.port, settings, handoff="tproxy", host=own, mta_host=mail)
        try:
            net.enter(net.client)
            function(mta, p)
        finally:
            text = p.stop()
            mta.stop()
    return text


def send(mta, p):
    c = Client(p)
    c.hello()
    c.envelope()
    assert c.data(b"A: b\r\n\r\nx\r\n.\r\n") == 250
    address = c.socket.getsockname()[0]
    assert mta.peers[-1][0] == address, (mta.peers, address)
    c.say("QUIT", 221)
    c.close()


@case
def version_4():
    "over IPv4 the mail server sees the client's address; a probe comes from ours"
    def play_it(mta, p):
        mta.probed()
        assert mta.peers[0][0] == "10.77.2.1", mta.peers
        for _ in range(3):
            send(mta, p)
    run(play_it, 4)


@case
def version_6():
    "the same over IPv6"
    run(send, 6)


@case
def other_user():
    "as another user, posternd keeps the one right that it takes"
    def play_it(mta, p):
        send(mta, p)
        with open("/proc/%d/status" % p.process.pid) as f:
            status = f.read()
        assert "CapEff:\t0000000000002000\n" in status, status
    run(play_it, 4, 'user "nobody"')


@case
def nobody():
    "a client whose address cannot be used gets no connection from ours instead"
    def play_it(mta, p):
        for address in ("[UNAVAILABLE]", "IPV6:2001:db8::1"):
            c = Client(p)
            c.say("XCLIENT ADDR=" + address, 220)
            c.hello()
            c.say("MAIL FROM:<a@example.net>", 250)
            c.say("RCPT TO:<b@example.org>", 451, b"4.3.0")
            c.close()
        assert not mta.lines, mta.lines
    text = run(play_it, 4, "trust 10.77.1.2")
    assert "cannot connect: the client's address is not known" in text, text
    assert "cannot connect: the client's address and the mail server's are not of one family" in text, text


def missing():
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "there is no ip (Debian: iproute2)"
    try:
        with Net():
            return None
    except (OSError, subprocess.CalledProcessError) as e:
        return "network namespaces cannot be made: %s" % e


if __name__ == "__main__":
    why = missing()
    if why:
        print("1..0 # SKIP " + why)
    else:
        play.main(CASES)
