# A test that is one file needs one line: check_PROGRAMS += tests/rules/test_NAME
rules_fake = tests/rules/fake.c tests/rules/fake.h
check_PROGRAMS += tests/rules/test_complaints tests/rules/test_config tests/rules/test_ruleset
tests_rules_test_complaints_SOURCES = tests/rules/test_complaints.c $(rules_fake)
tests_rules_test_config_SOURCES = tests/rules/test_config.c $(rules_fake)
tests_rules_test_ruleset_SOURCES = tests/rules/test_ruleset.c $(rules_fake)
EXTRA_DIST += \
	tests/rules/complaints/arith.txt \
	tests/rules/complaints/blocks.txt \
	tests/rules/complaints/define.txt \
	tests/rules/complaints/digest.txt \
	tests/rules/complaints/facts.txt \
	tests/rules/complaints/lists.txt \
	tests/rules/complaints/notify.txt \
	tests/rules/complaints/reach.txt \
	tests/rules/complaints/regex.txt \
	tests/rules/complaints/rules.txt \
	tests/rules/complaints/settings.txt \
	tests/rules/complaints/texts.txt \
	tests/rules/complaints/tokens.txt \
	tests/rules/complaints/types.txt
check_PROGRAMS += tests/rules/test_record tests/rules/test_record_pseudonyms tests/rules/test_hashed
check_PROGRAMS += \
	tests/rules/test_complaint \
	tests/rules/test_intern \
	tests/rules/test_lex \
	tests/rules/test_literal
rules_loader = tests/rules/loader.c tests/rules/loader.h $(rules_fake)
check_PROGRAMS += \
	tests/rules/test_parse \
	tests/rules/test_tree
tests_rules_test_parse_SOURCES = tests/rules/test_parse.c $(rules_loader)
tests_rules_test_tree_SOURCES = tests/rules/test_tree.c $(rules_loader)
check_PROGRAMS += tests/rules/test_text
tests_rules_test_text_SOURCES = tests/rules/test_text.c $(rules_loader)
EXTRA_DIST += tests/rules/README.md
check_PROGRAMS += tests/rules/test_lists
tests_rules_test_lists_SOURCES = tests/rules/test_lists.c $(rules_loader)
check_PROGRAMS += tests/rules/test_compare tests/rules/test_reach
tests_rules_test_compare_SOURCES = tests/rules/test_compare.c $(rules_loader)
tests_rules_test_reach_SOURCES = tests/rules/test_reach.c $(rules_loader)
check_PROGRAMS += tests/rules/test_settings tests/rules/test_source tests/rules/test_statements
tests_rules_test_settings_SOURCES = tests/rules/test_settings.c $(rules_loader)
tests_rules_test_source_SOURCES = tests/rules/test_source.c $(rules_loader)
tests_rules_test_statements_SOURCES = tests/rules/test_statements.c $(rules_loader)
check_PROGRAMS += tests/rules/test_policy
tests_rules_test_policy_SOURCES = tests/rules/test_policy.c $(rules_fake)
check_PROGRAMS += tests/rules/test_exception
tests_rules_test_exception_SOURCES = tests/rules/test_exception.c $(rules_fake)
check_PROGRAMS += tests/rules/test_failure
check_PROGRAMS += tests/rules/test_backends
tests_rules_test_backends_SOURCES = tests/rules/test_backends.c $(rules_loader)
check_PROGRAMS += tests/rules/test_record_trace
tests_rules_test_record_trace_SOURCES = tests/rules/test_record_trace.c $(rules_fake)
check_PROGRAMS += tests/rules/test_blocks tests/rules/test_include
tests_rules_test_blocks_SOURCES = tests/rules/test_blocks.c $(rules_fake)
tests_rules_test_include_SOURCES = tests/rules/test_include.c $(rules_fake)
rules_past = tests/rules/past_of.c tests/rules/past_of.h $(rules_fake)
check_PROGRAMS += tests/rules/test_change tests/rules/test_change_any
tests_rules_test_change_SOURCES = tests/rules/test_change.c $(rules_past)
tests_rules_test_change_any_SOURCES = tests/rules/test_change_any.c $(rules_past)
check_PROGRAMS += tests/rules/test_notices
tests_rules_test_notices_SOURCES = tests/rules/test_notices.c $(rules_loader)
check_PROGRAMS += tests/rules/test_format
tests_rules_test_format_SOURCES = tests/rules/test_format.c $(rules_fake)
check_PROGRAMS += tests/rules/test_lint tests/rules/test_lint_any
tests_rules_test_lint_SOURCES = tests/rules/test_lint.c $(rules_fake)
tests_rules_test_lint_any_SOURCES = tests/rules/test_lint_any.c $(rules_fake)
rules_priced = tests/rules/priced.c tests/rules/priced.h
check_PROGRAMS += tests/rules/test_cost tests/rules/test_cost_any
tests_rules_test_cost_SOURCES = tests/rules/test_cost.c $(rules_priced)
tests_rules_test_cost_any_SOURCES = tests/rules/test_cost_any.c $(rules_priced)
