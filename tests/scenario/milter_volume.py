"""Plans through the milter front: right at the limit, what gives back, who is told that a level is reached, and what a kill of
either process leaves behind."""

import os
import signal
import socket
import threading

import play
import proxy_notices as notices
import proxy_volume as volume
from play import MTA, Milter, Postern, free_port, until

CLIENT = "192.0.2.1"  # whom each session of play.Milter comes from
KEY = "rate:messages:client:" + CLIENT
RULES = volume.RULES.replace("127.0.0.0/8", "192.0.2.0/24") + """at message {
    reject 550 5.7.1 "Not that"  if sender is "never@example.net"
    reject 550 5.7.1 "Listed"    if sender is "slow@example.net" and listed("slow.test")
}
"""
CASES = []


class Silence:
    """A DNS server that never answers."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def stop(self):
        self.socket.close()


def ready(postern, times=1):
    until(lambda: postern.log_text().count("event=ready") >= times
          and "event=listening front=milter" in postern.log_text(), "the milter")


def case(limits, threads=1, is_killed=False):
    def decorate(function):
        def run():
            mta, dns, milter = MTA(), Silence(), free_port()
            postern = Postern(mta.port, 'dns timeout 60s\ndns budget 5m\nlisten milter "inet:%d@127.0.0.1"\n' % milter, RULES % limits,
                              threads=threads, dns_port=dns.port)
            postern.milter = milter
            try:
                ready(postern)
                function(postern)
            finally:
                try:
                    postern.stop()
                except AssertionError as e:
                    if not is_killed or "killed by" not in str(e) or "Sanitizer" in str(e):
                        raise
                finally:
                    mta.stop()
                    dns.stop()
        CASES.append((function.__doc__, run))
        return function
    return decorate


def held(postern, left=0):
    return volume.held(postern, KEY, left)


def waiting(postern, sender=b"a@example.net"):
    """A session that holds one message."""
    m = Milter(postern.milter)
    m.begin(sender=sender)
    return m


def refused(postern, text=b"1000 of 1000 used"):
    m = Milter(postern.milter)
    said = m.begin(verdict=b"y")
    assert b"452 4.7.1 " in said and text in said, said
    m.close()


def send(postern):
    m = waiting(postern)
    m.finish()
    m.close()


@case("1000 messages per day", threads=2)
def exactly(postern):
    "sessions at the same time reach the limit exactly"
    volume.preload(postern, 970, key=KEY)
    taken, full = [], []

    def work():
        while True:
            m = Milter(postern.milter)
            m.send(b"M", b"<a@example.net>\0")
            assert m.answer() == b"c"
            m.send(b"R", b"<b@example.org>\0")
            said = m.answer()
            if said == b"c":
                m.finish()
                taken.append(said)
            else:
                full.append(said)
            m.close()
            if said != b"c":
                return
    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    until(lambda: held(postern) == 0, "nothing to be held")
    # who was refused may have met others under way that were taken all the same
    assert len(taken) == 30 and len(full) == 8, (len(taken), full)
    refused(postern)


@case("1000 messages per day")
def gives_back(postern):
    "what was not taken is given back: by an abort, by an MTA that goes away, by a rule that refuses the message"
    volume.preload(postern, 999, key=KEY)
    m = waiting(postern)
    refused(postern)
    m.send(b"A")
    until(lambda: held(postern) == 0, "the abort to give back")
    m.begin()
    refused(postern)
    m.socket.close()
    until(lambda: held(postern) == 0, "the end to give back")
    m = waiting(postern, b"never@example.net")
    m.finish(verdict=b"y")
    until(lambda: held(postern) == 0, "the refusal to give back")
    m.begin()
    m.finish()
    m.close()
    refused(postern)


@case("1000 messages per day", is_killed=True)
def killed(postern):
    "a worker that is killed leaves holds that keep the limit: short ones of what had begun, long ones of what may have been taken"
    volume.preload(postern, 993, key=KEY)
    offered = [waiting(postern, b"slow@example.net") for _ in range(3)]
    for m in offered:
        m.send(b"L", b"From\0 a@example.net\0")
        m.send(b"N")
        m.send(b"B", b"Hello\r\n")
        m.send(b"E")
    until(lambda: held(postern, left=80000) == 3, "the messages to be offered")
    begun = [waiting(postern) for _ in range(4)]
    refused(postern)
    os.kill(volume.worker(postern), signal.SIGKILL)
    for m in offered:
        said = m.answer()
        while said[:1] == b"p":
            said = m.answer()
        assert said[:1] == b"t", said
    for m in begun + offered:
        m.socket.close()
    ready(postern, 2)
    # Seven are gone without a word: all of them still count.
    assert held(postern) == 7
    refused(postern)
    # When the short holds are over, four are free again; the others may have been taken.
    with volume.store(postern) as db:
        db.execute("UPDATE hold SET expires = 1 WHERE expires < strftime('%s') + 80000")
    for _ in range(4):
        send(postern)
    refused(postern)


def milter_process(postern):
    """The child that listens on the milter's port."""
    with open("/proc/net/tcp") as f:
        inode = [line.split()[9] for line in f if line.split()[1] == "0100007F:%04X" % postern.milter
                 and line.split()[3] == "0A"][0]
    with open("/proc/%d/task/%d/children" % (postern.process.pid, postern.process.pid)) as f:
        children = [int(pid) for pid in f.read().split()]

    def has_it(pid):
        folder = "/proc/%d/fd" % pid
        links = [os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder)]
        return "socket:[%s]" % inode in links
    found = [pid for pid in children if pid != volume.worker(postern) and has_it(pid)]
    assert len(found) == 1, (found, children)
    return found[0]


@case("1000 messages per day", is_killed=True)
def killed_milter(postern):
    "a milter process that is killed ends its sessions, so that the worker gives back what they held; the next one goes on"
    volume.preload(postern, 997, key=KEY)
    begun = [waiting(postern) for _ in range(3)]
    refused(postern)
    pid = milter_process(postern)
    os.kill(pid, signal.SIGKILL)
    until(lambda: held(postern) == 0, "what was held to be given back")
    for m in begun:
        m.socket.close()

    def again():
        try:
            return milter_process(postern) != pid and Milter(postern.milter).close() is None
        except (OSError, EOFError, AssertionError, IndexError):
            return False
    until(again, "the next milter process")
    for _ in range(3):
        send(postern)
    refused(postern)


# ---- who is told ----


def told():
    milter = free_port()
    notify = 'listen milter "inet:%d@127.0.0.1"\n' % milter + notices.ALL_WAYS
    with notices.World(notify, threads=2) as w:
        w.postern.milter = milter
        ready(w.postern)

        def send_as(n, account):
            m = Milter(milter)
            for _ in range(n):
                m.begin(account)
                m.finish()
            m.close()

        def work(n):
            thread = threading.Thread(target=send_as, args=(n, b"alice"))
            thread.start()
            return thread
        for t in [work(8) for _ in range(11)]:
            t.join()
        until(lambda: len(w.sink.taken) == 2 and len(w.hook.got) == 1 and len(w.commands()) == 1, "80% to be told")
        os.kill(notices.worker(w.postern), signal.SIGKILL)
        w.killed = True
        ready(w.postern, 2)
        # nobody is told again, and of the next level once; what the proxy takes is of the same plan
        send_as(5, b"alice")
        w.send(3)
        send_as(3, b"alice")
        until(lambda: len(w.sink.taken) == 4 and len(w.hook.got) == 2 and len(w.commands()) == 2, "95% to be told")
        send_as(1, b"bob")
        notices.settle()
        assert notices.recipients(w.sink) == ["alice@example.org"] * 2 + ["postmaster@example.org"] * 2
        ran = w.commands()
        assert [text.split("\n")[0] for text in ran] == ["80 alice alice@example.org", "95 alice alice@example.org"], ran
        assert len(w.hook.got) == 2
        m = Milter(milter)
        m.begin(b"alice")
        m.finish()
        assert b"100 of 100 used" in m.begin(b"alice", verdict=b"y")
        m.close()


CASES.append(("owner and postmaster are told of each level once in each way, also when the worker was killed in between", told))

if __name__ == "__main__":
    play.main(CASES, notices.FOLDER)
