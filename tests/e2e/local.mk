# tests/e2e: posternd between real servers. In Python; each .py of e2e_tests is a test.
e2e_tests = \
	tests/e2e/desync_postfix.py \
	tests/e2e/allow.py \
	tests/e2e/fronts.py \
	tests/e2e/clients.py \
	tests/e2e/dmarc.py \
	tests/e2e/lmtp_dovecot.py \
	tests/e2e/auth_postfix.py \
	tests/e2e/milter_postfix.py \
	tests/e2e/milter_protocol.py \
	tests/e2e/milter_sendmail.py \
	tests/e2e/proxy_haproxy.py \
	tests/e2e/proxy_extensions.py \
	tests/e2e/proxy_postfix.py \
	tests/e2e/proxy_reuse.py \
	tests/e2e/servers.py \
	tests/e2e/stages.py \
	tests/e2e/tls_postfix.py \
	tests/e2e/transparency.py
TEST_EXTENSIONS += .py
PY_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_COMPILER = $(SHELL) $(srcdir)/tests/e2e/run.sh
TESTS += $(e2e_tests)
EXTRA_DIST += $(e2e_tests) \
	tests/e2e/README.md \
	tests/e2e/accounts.py \
	tests/e2e/certificate.py \
	tests/e2e/client.py \
	tests/e2e/dovecot.py \
	tests/e2e/elsewhere.c \
	tests/e2e/exim.py \
	tests/e2e/generator.py \
	tests/e2e/lab.py \
	tests/e2e/matrix.py \
	tests/e2e/milter.lua \
	tests/e2e/milter.py \
	tests/e2e/nodemailer.js \
	tests/e2e/quickstart.py \
	tests/e2e/run.sh \
	tests/e2e/tap.py \
	tests/e2e/unpack.sh

check_DATA += tests/e2e/elsewhere.so
CLEANFILES += tests/e2e/elsewhere.so
tests/e2e/elsewhere.so: tests/e2e/elsewhere.c
	$(AM_V_CC)$(MKDIR_P) tests/e2e && \
		$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Werror -shared -fPIC -o $@ $(srcdir)/tests/e2e/elsewhere.c
EXTRA_DIST += tests/e2e/README.md
