"""dovecot: Dovecot that takes mail by LMTP into mailboxes of its own, for the users given."""

import os
import pwd

from lab import Mailboxes, Process, answers, free_port, until

CONFIG = """base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{base}.pem
ssl_key = <{base}.key
login_trusted_networks = 127.0.0.0/8
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%d/%n
postmaster_address = postmaster@example.org
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""


class Dovecot(Mailboxes):
    """base: its certificate, without ending."""

    def __init__(self, lab, base, users):
        self.port = free_port()
        self.folder = lab.path("dovecot")
        os.makedirs(self.folder)
        self.make_mailboxes()
        user = pwd.getpwnam("nobody")
        self.write("users", "".join(
            f"{name}::{user.pw_uid}:{user.pw_gid}::{self.mail}::\n" for name in users))
        config = self.write("dovecot.conf", CONFIG.format(folder=self.folder, base=base,
                                                          port=self.port))
        self.process = lab.add(Process(["/usr/sbin/dovecot", "-F", "-c", config],
                                       os.path.join(self.folder, "output")))
        until(lambda: answers(self.port) or not self.process.running(), what="Dovecot")
        if not self.process.running():
            raise RuntimeError(f"Dovecot ended: {self.text()}")

    def text(self):
        found = self.process.text()
        if os.path.exists(os.path.join(self.folder, "log")):
            with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
                found += f.read()
        return found

    def stop(self):
        self.process.stop()
