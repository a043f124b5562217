"""Sessions of the milter that wait for a verdict do not hold up others. libmilter may wake one thread for several sessions
that have something to say at once; the others were taken up only when that one had its verdict."""

import os
import tempfile
import time

import play
from play import MTA, Milter, Postern, free_port, until

DELAY = 6  # seconds that a slow verdict takes: a busy machine is quicker than that by far
RULES = 'at mail { delay %ds if sender is "slow@example.net" }\n' % DELAY
SLOW, QUICK = b"<slow@example.net>\0", b"<quick@example.net>\0"
CASES = []


def case(name, function, unix=False):
    def run():
        mta, port = MTA(), free_port()
        with tempfile.TemporaryDirectory() as folder:
            address = os.path.join(folder, "milter.sock") if unix else port
            postern = Postern(mta.port, 'listen milter "%s"\n' % ("unix:" + address if unix else "inet:%d@127.0.0.1" % port),
                              RULES)
            try:
                until(lambda: "event=listening front=milter" in postern.log_text(), "the milter")
                function(address)
            finally:
                postern.stop()
                mta.stop()
    CASES.append((name, run))


def burst(sessions, senders):
    """MAIL in all of them at once; after how many seconds each had its verdict, at most."""
    began, took = time.monotonic(), []
    for session, sender in zip(sessions, senders):
        session.send(b"M", sender)
    # Whoever is read later has waited no longer than it seems.
    for session in sessions:
        assert session.answer() == b"c"
        took.append(time.monotonic() - began)
    for session in sessions:
        session.send(b"A")
    return took


def at_once(address, senders):
    sessions = [Milter(address) for _ in senders]
    # Only threads that were at work before are idle now, of which libmilter wakes too few.
    burst(sessions, [QUICK] * len(sessions))
    took = burst(sessions, senders)
    for session in sessions:
        session.close()
    return took


def together(address):
    took = at_once(address, [SLOW] * 30)
    assert max(took) < 2 * DELAY, took


def beside(address):
    took = at_once(address, [QUICK] * 20 + [SLOW] * 20)
    assert max(took[:20]) < DELAY, took
    assert max(took) < 2 * DELAY, took


case("verdicts that are waited for together come together", together)
case("and through a socket with a path", together, unix=True)
case("who is decided at once does not wait for those that are not", beside)

if __name__ == "__main__":
    play.main(CASES)
