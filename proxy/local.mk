# proxy/: all but main.c goes into the library, so that tests can link it.
if HAVE_POSTERND
sbin_PROGRAMS += posternd
posternd_SOURCES = proxy/main.c
posternd_LDFLAGS = $(whole_archive)
posternd_LDADD = libpostern.a $(POSTERN_LIBS)
endif
libpostern_a_SOURCES += \
	proxy/abilities.c \
	proxy/backend.c \
	proxy/backend_handshake.c \
	proxy/backend_target.c \
	proxy/handoff.c \
	proxy/io.c \
	proxy/io_line.c \
	proxy/io_socket.c \
	proxy/limits.c \
	proxy/once.c \
	proxy/parking.c \
	proxy/peers.c \
	proxy/pool.c \
	proxy/probe.c \
	proxy/proxied.c \
	proxy/proxy_front.c \
	proxy/proxy_header.c \
	proxy/received.c \
	proxy/report.c \
	proxy/smtp_ask.c \
	proxy/smtp_auth.c \
	proxy/smtp_bdat.c \
	proxy/smtp_command.c \
	proxy/smtp_data.c \
	proxy/smtp_limits.c \
	proxy/smtp_guess.c \
	proxy/smtp_once.c \
	proxy/smtp_delay.c \
	proxy/smtp_envelope.c \
	proxy/smtp_mta.c \
	proxy/smtp_rcpt.c \
	proxy/smtp_relay.c \
	proxy/smtp_server.c \
	proxy/smtp_time.c \
	proxy/smtp_tls.c \
	proxy/slots.c \
	proxy/spool.c \
	proxy/tproxy.c
noinst_HEADERS += \
	proxy/abilities.h \
	proxy/backend.h \
	proxy/backend_link.h \
	proxy/handoff.h \
	proxy/io.h \
	proxy/io_line.h \
	proxy/io_socket.h \
	proxy/limits.h \
	proxy/once.h \
	proxy/parking.h \
	proxy/peers.h \
	proxy/pool.h \
	proxy/probe.h \
	proxy/proxied.h \
	proxy/proxy_front.h \
	proxy/proxy_header.h \
	proxy/received.h \
	proxy/report.h \
	proxy/slots.h \
	proxy/smtp_server.h \
	proxy/spool.h \
	proxy/tproxy.h
libpostern_a_SOURCES += \
	proxy/children.c proxy/children.h \
	proxy/gate.c proxy/gate.h \
	proxy/gate_delay.c \
	proxy/gate_notices.c \
	proxy/gate_exceptions.c \
	proxy/gate_outcome.c proxy/gate_private.h \
	proxy/gate_record.c proxy/gate_record.h \
	proxy/inherit.c proxy/inherit.h \
	proxy/landlock.c proxy/landlock.h \
	proxy/loop.c proxy/loop.h \
	proxy/master.c proxy/master.h \
	proxy/milter_address.c proxy/milter_address.h \
	proxy/milter_front.c proxy/milter_front.h \
	proxy/milter_life.c proxy/milter_life.h \
	proxy/milter_link.c proxy/milter_link.h \
	proxy/milter_process.c proxy/milter_process.h \
	proxy/milter_session.c proxy/milter_session.h \
	proxy/milter_talk.c proxy/milter_talk.h \
	proxy/milter_verdict.c \
	proxy/notice_process.c proxy/notice_process.h \
	proxy/notice_way.c proxy/notice_way.h \
	proxy/notices.c proxy/notices.h \
	proxy/notify.c proxy/notify.h \
	proxy/questions.c proxy/questions.h \
	proxy/shared_resolver.c proxy/shared_resolver.h \
	proxy/rights.c proxy/rights.h \
	proxy/sandbox.c proxy/sandbox.h \
	proxy/sockets.c proxy/sockets.h \
	proxy/syscalls.c proxy/syscalls.h \
	proxy/tally.c proxy/tally.h \
	proxy/upgrade.c proxy/upgrade.h \
	proxy/watch.c proxy/watch.h \
	proxy/words.h \
	proxy/worker.c proxy/worker.h \
	proxy/xclient.c proxy/xclient.h
EXTRA_DIST += proxy/README.md
