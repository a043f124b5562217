# A target is tests/fuzz/fuzz_NAME.c with LLVMFuzzerTestOneInput() and a corpus in
# tests/fuzz/NAME/. In a usual build replay.c is its main and runs the corpus in make check;
# with --enable-fuzzing libFuzzer's main is linked instead. Four lines a target:
#
#   fuzz_programs += tests/fuzz/fuzz_NAME
#   tests_fuzz_fuzz_NAME_SOURCES = tests/fuzz/fuzz_NAME.c $(fuzz_main)
#   tests_fuzz_fuzz_NAME_LDADD = $(fuzz_ldadd)
#   EXTRA_DIST += tests/fuzz/NAME
fuzz_ldadd = libpostern.a $(POSTERN_LIBS) $(FUZZ_ENGINE)
fuzz_programs =
if FUZZING
fuzz_main =
noinst_PROGRAMS += $(fuzz_programs)
else
fuzz_main = tests/fuzz/replay.c
check_PROGRAMS += $(fuzz_programs)
endif
EXTRA_DIST += tests/fuzz/replay.c tests/fuzz/README.md tests/fuzz/run \
	tests/fuzz/backend.dict tests/fuzz/command.dict tests/fuzz/mailbox.dict \
	tests/fuzz/message.dict tests/fuzz/rules.dict tests/fuzz/smtp.dict tests/fuzz/xclient.dict

fuzz_programs += tests/fuzz/fuzz_dkim
tests_fuzz_fuzz_dkim_SOURCES = tests/fuzz/fuzz_dkim.c $(fuzz_main)
tests_fuzz_fuzz_dkim_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/dkim

fuzz_programs += tests/fuzz/fuzz_dns
tests_fuzz_fuzz_dns_SOURCES = tests/fuzz/fuzz_dns.c $(fuzz_main)
tests_fuzz_fuzz_dns_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/dns

fuzz_programs += tests/fuzz/fuzz_redis
tests_fuzz_fuzz_redis_SOURCES = tests/fuzz/fuzz_redis.c $(fuzz_main)
tests_fuzz_fuzz_redis_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/redis

fuzz_programs += tests/fuzz/fuzz_escape
tests_fuzz_fuzz_escape_SOURCES = tests/fuzz/fuzz_escape.c $(fuzz_main)
tests_fuzz_fuzz_escape_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/escape

fuzz_programs += tests/fuzz/fuzz_spf_check
tests_fuzz_fuzz_spf_check_SOURCES = tests/fuzz/fuzz_spf_check.c tests/filters/spf_zone.c \
	$(fuzz_main)
tests_fuzz_fuzz_spf_check_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/spf_check

fuzz_programs += tests/fuzz/fuzz_spf_record
tests_fuzz_fuzz_spf_record_SOURCES = tests/fuzz/fuzz_spf_record.c $(fuzz_main)
tests_fuzz_fuzz_spf_record_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/spf_record

fuzz_programs += tests/fuzz/fuzz_sketch
tests_fuzz_fuzz_sketch_SOURCES = tests/fuzz/fuzz_sketch.c $(fuzz_main)
tests_fuzz_fuzz_sketch_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/sketch

fuzz_programs += tests/fuzz/fuzz_window
tests_fuzz_fuzz_window_SOURCES = tests/fuzz/fuzz_window.c $(fuzz_main)
tests_fuzz_fuzz_window_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/window

fuzz_programs += tests/fuzz/fuzz_json
tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz_json.c $(fuzz_main)
tests_fuzz_fuzz_json_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/json
fuzz_programs += tests/fuzz/fuzz_mime
tests_fuzz_fuzz_mime_SOURCES = tests/fuzz/fuzz_mime.c $(fuzz_main)
tests_fuzz_fuzz_mime_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/mime
fuzz_programs += tests/fuzz/fuzz_milter_link
tests_fuzz_fuzz_milter_link_SOURCES = tests/fuzz/fuzz_milter_link.c $(fuzz_main)
tests_fuzz_fuzz_milter_link_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/milter_link
fuzz_programs += tests/fuzz/fuzz_authres
tests_fuzz_fuzz_authres_SOURCES = tests/fuzz/fuzz_authres.c $(fuzz_main)
tests_fuzz_fuzz_authres_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/authres

fuzz_programs += tests/fuzz/fuzz_command
tests_fuzz_fuzz_command_SOURCES = tests/fuzz/fuzz_command.c $(fuzz_main)
tests_fuzz_fuzz_command_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/command

fuzz_programs += tests/fuzz/fuzz_eod
tests_fuzz_fuzz_eod_SOURCES = tests/fuzz/fuzz_eod.c $(fuzz_main)
tests_fuzz_fuzz_eod_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/eod

fuzz_programs += tests/fuzz/fuzz_header
tests_fuzz_fuzz_header_SOURCES = tests/fuzz/fuzz_header.c $(fuzz_main)
tests_fuzz_fuzz_header_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/header

fuzz_programs += tests/fuzz/fuzz_reply
tests_fuzz_fuzz_reply_SOURCES = tests/fuzz/fuzz_reply.c $(fuzz_main)
tests_fuzz_fuzz_reply_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/reply

fuzz_programs += tests/fuzz/fuzz_rules
tests_fuzz_fuzz_rules_SOURCES = tests/fuzz/fuzz_rules.c tests/rules/fake.c $(fuzz_main)
tests_fuzz_fuzz_rules_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/rules

fuzz_programs += tests/fuzz/fuzz_abilities
tests_fuzz_fuzz_abilities_SOURCES = tests/fuzz/fuzz_abilities.c $(fuzz_main)
tests_fuzz_fuzz_abilities_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/abilities

fuzz_programs += tests/fuzz/fuzz_proxy_header
tests_fuzz_fuzz_proxy_header_SOURCES = tests/fuzz/fuzz_proxy_header.c $(fuzz_main)
tests_fuzz_fuzz_proxy_header_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/proxy_header

tests_fuzz_server = tests/fuzz/server.c tests/fuzz/server.h
fuzz_programs += tests/fuzz/fuzz_smtp
tests_fuzz_fuzz_smtp_SOURCES = tests/fuzz/fuzz_smtp.c $(tests_fuzz_server) $(fuzz_main)
tests_fuzz_fuzz_smtp_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/smtp

fuzz_programs += tests/fuzz/fuzz_backend
tests_fuzz_fuzz_backend_SOURCES = tests/fuzz/fuzz_backend.c $(tests_fuzz_server) $(fuzz_main)
tests_fuzz_fuzz_backend_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/backend

fuzz_programs += tests/fuzz/fuzz_message
tests_fuzz_fuzz_message_SOURCES = tests/fuzz/fuzz_message.c $(fuzz_main)
tests_fuzz_fuzz_message_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/message

fuzz_programs += tests/fuzz/fuzz_greylist
tests_fuzz_fuzz_greylist_SOURCES = tests/fuzz/fuzz_greylist.c $(fuzz_main)
tests_fuzz_fuzz_greylist_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/greylist

fuzz_programs += tests/fuzz/fuzz_mailbox
tests_fuzz_fuzz_mailbox_SOURCES = tests/fuzz/fuzz_mailbox.c $(fuzz_main)
tests_fuzz_fuzz_mailbox_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/mailbox

fuzz_programs += tests/fuzz/fuzz_xclient
tests_fuzz_fuzz_xclient_SOURCES = tests/fuzz/fuzz_xclient.c $(fuzz_main)
tests_fuzz_fuzz_xclient_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/xclient
fuzz_programs += tests/fuzz/fuzz_sasl
tests_fuzz_fuzz_sasl_SOURCES = tests/fuzz/fuzz_sasl.c $(fuzz_main)
tests_fuzz_fuzz_sasl_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/sasl

fuzz_programs += tests/fuzz/fuzz_dmarc
tests_fuzz_fuzz_dmarc_SOURCES = tests/fuzz/fuzz_dmarc.c $(fuzz_main)
tests_fuzz_fuzz_dmarc_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/dmarc
fuzz_programs += tests/fuzz/fuzz_notice
tests_fuzz_fuzz_notice_SOURCES = tests/fuzz/fuzz_notice.c $(fuzz_main)
tests_fuzz_fuzz_notice_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/notice
fuzz_programs += tests/fuzz/fuzz_ticket
tests_fuzz_fuzz_ticket_SOURCES = tests/fuzz/fuzz_ticket.c $(fuzz_main)
tests_fuzz_fuzz_ticket_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/ticket

fuzz_programs += tests/fuzz/fuzz_exception
tests_fuzz_fuzz_exception_SOURCES = tests/fuzz/fuzz_exception.c $(fuzz_main)
tests_fuzz_fuzz_exception_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/exception

fuzz_programs += tests/fuzz/fuzz_pseudonym
tests_fuzz_fuzz_pseudonym_SOURCES = tests/fuzz/fuzz_pseudonym.c $(fuzz_main)
tests_fuzz_fuzz_pseudonym_LDADD = $(fuzz_ldadd)
EXTRA_DIST += tests/fuzz/pseudonym
