"""What volume tells beside rates: bursts, how many differ, first contacts, accounts that look stolen; through a running posternd."""

import time

import play
from play import Client, stuffed
from world import Cases

MESSAGE = b"From: a@example.net\r\nSubject: x\r\n\r\nHello\r\n"
TRUST = "trust 127.0.0.0/8\n"
CASES = Cases()


def case(rules, settings=""):
    return CASES.with_world(settings, rules)


def as_account(postern, account, address):
    c = Client(postern)
    c.hello()
    c.say("XCLIENT ADDR=%s LOGIN=%s" % (address, account), 220)
    c.hello()
    return c


def send(c, sender="a@example.net", rcpts=("b@example.org",)):
    c.envelope(sender, rcpts)
    c.data(stuffed(MESSAGE), 250)


@case("""plan p { 1000 messages per day; burst 3 messages; for clients in { 127.0.0.0/8 } }
at rcpt { tempfail 452 4.7.1 "${quota.used} of ${quota.limit} at once; again in ${quota.free}"  if quota is over }
""")
def burst(mta, postern):
    "a burst is bounded, and it goes on by itself within twenty seconds"
    c = Client(postern)
    c.hello()
    # not across a border between bins
    time.sleep(10.2 - time.time() % 10)
    first = time.time()
    for _ in range(3):
        send(c)
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 452, b"3 of 3 at once; again in ")
    last = time.time()

    def again():
        # what a transaction was told holds for it
        c.say("RSET", 250)
        c.say("MAIL FROM:<a@example.net>", 250)
        c.send(b"RCPT TO:<b@example.org>\r\n")
        return c.reply()[0] == 250
    asked = time.time()
    while not again():
        # A second may be cut off at either end.
        assert asked - last < 21, "it takes too long"
        time.sleep(0.5)
        asked = time.time()
    assert time.time() - first > 9
    c.close()


@case("""at rcpt {
    tempfail 450 4.7.1 "${distinct(account, recipients, 1h)} recipients"  if distinct(account, recipients, 1h) >= 4
    tempfail 450 4.7.1 "${distinct(account, senders, 1d)} senders"        if distinct(account, senders, 1d) >= 3
}
""", TRUST)
def distinct(mta, postern):
    "different recipients and senders are told, whatever the number of messages"
    c = as_account(postern, "alice", "192.0.2.1")
    for _ in range(4):
        send(c, rcpts=("a@example.org", "B@example.org", "b@example.org"))
    send(c, rcpts=("c@example.org", "d@example.org"))
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 450, b"4 recipients")
    c.close()
    c = as_account(postern, "bob", "192.0.2.1")
    for name in ("s0", "S0", "s1", "S1", "s2"):
        send(c, sender=name + "@example.net")
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 450, b"3 senders")
    c.close()


@case("""at rcpt { reject 550 5.7.1 "never seen"  if not seen(client) and recipient is "careful@example.org" }
""", TRUST)
def seen(mta, postern):
    "a first contact is one until a message was accepted, not by being refused"
    c = Client(postern)
    c.hello()
    c.say("XCLIENT ADDR=192.0.2.1", 220)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    for _ in range(3):
        c.say("RCPT TO:<careful@example.org>", 550, b"never seen")
    c.say("RSET", 250)
    # a rule asks here too, and the message is accepted
    send(c)
    c.envelope("a@example.net", ("careful@example.org",))
    c.data(stuffed(MESSAGE), 250)
    c.close()


@case("""at rcpt { tempfail 450 4.7.1 "${account.suspicious.why}"  if account.suspicious }
""", TRUST)
def suspicious(mta, postern):
    "an account that comes from many new networks is told of, and the others are left alone"
    for i in (1, 2):
        c = as_account(postern, "alice", "192.0.%d.1" % i)
        send(c)
        send(c)
        c.close()
    c = as_account(postern, "alice", "192.0.3.1")
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 450, b"3 new networks in a day")
    c.close()
    c = as_account(postern, "bob", "192.0.3.1")
    send(c)
    c.close()


@case("""at rcpt { tempfail 450 4.7.1 "${refused_share(client, 1h)} in a hundred"  if refused_share(client, 1h) > 50
          reject 550 5.1.1 "No such"  if recipient is "nobody@example.org" }
""")
def refusals(mta, postern):
    "what rules refuse is counted against what was accepted"
    c = Client(postern)
    c.hello()
    for _ in range(4):
        send(c)
    for _ in range(6):
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RCPT TO:<nobody@example.org>", 550)
        c.say("RSET", 250)
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 450, b"60 in a hundred")
    c.close()


if __name__ == "__main__":
    play.main(CASES)
