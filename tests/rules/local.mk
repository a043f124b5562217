# A test that is one file needs one line: check_PROGRAMS += tests/rules/test_NAME
check_PROGRAMS += tests/rules/test_config
tests_rules_test_config_SOURCES = tests/rules/test_config.c tests/rules/fake.c tests/rules/fake.h
