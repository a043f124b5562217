#!/bin/sh
# The manuals are well-formed and say what the programs say of themselves.
. "${srcdir:-.}/tests/style/lib.sh"

if command -v mandoc >/dev/null; then
	for page in docs/*.[1-9]; do
		# Other manuals need not be installed here.
		mandoc -T lint -W style "$page" 2>&1 |
			grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' >"$found"
		report "$page is well-formed" "$found"
	done
else
	ok "the manuals are well-formed # SKIP mandoc is not installed"
fi

if test -x "$builddir/docs/reference"; then
	sh docs/reference.sh "$builddir/docs/reference" docs/postern.conf.5 2>&1 |
		diff -u docs/postern.conf.5 - >"$found"
	report "postern.conf(5) has the rows of the program (else: make update-reference)" "$found"
	"$builddir/docs/reference" replies | diff -u docs/replies.md - >"$found"
	report "replies.md has the rows of the program (else: make update-reference)" "$found"
else
	ok "postern.conf(5) has the rows of the program # SKIP docs/reference is not built"
	ok "replies.md has the rows of the program # SKIP docs/reference is not built"
fi

postern=$builddir/postern
if test -x "$postern"; then
	commands=$("$postern" --help | sed -n '/^  [a-z]/s/^  \([a-z]*\) .*/\1/p')
	for command in $commands; do
		grep -q "^\.Ss postern $command\$" docs/postern.1 ||
			echo "no section for the command $command"
	done >"$found"
	test -n "$commands" || echo "postern --help lists no commands" >>"$found"
	report "postern(1) has all commands" "$found"
	for command in $commands; do
		"$postern" "$command" --help | sed -n 's/^  --\([a-z-]*\) .*/\1/p' |
			while read -r option; do
				grep -q "^\.It.* Fl -$option\>" docs/postern.1 ||
					echo "--$option of $command"
			done
	done >"$found"
	report "postern(1) has all options" "$found"
	for command in $(sed -n 's/^\.Ss postern //p' docs/postern.1); do
		"$postern" "$command" --help >/dev/null 2>&1 || echo "$command"
	done >"$found"
	report "postern(1) has no command that is not there" "$found"
	for option in $(sed -n 's/^\.It.*Fl -\([a-z-]*\).*/\1/p' docs/postern.1 | sort -u); do
		for command in "" $commands; do
			# shellcheck disable=SC2086
			"$postern" $command --help
		done | grep -q -e "^  --$option " || echo "--$option"
	done >"$found"
	report "postern(1) has no option that is not there" "$found"
	# The keys that a program relies on: as they stand in the source of the printer.
	printers="cli/print.c cli/why.c cli/story_changes.c cli/for_sender.c cli/explain.c"
	# shellcheck disable=SC2086
	{
		sed -n -e 's/.*_member(&*b, "\([a-z_]*\)".*/\1/p' -e 's/^	texts(&b, "\([a-z_]*\)".*/\1/p' $printers
		grep -ho '\\"[a-z_]*\\":' $printers | tr -dc 'a-z_\n'
	} | while read -r key; do
		sed -n '/^\.Sh OUTPUT/,/^\.Sh ENV/p' docs/postern.1 | grep -qw "$key" || echo "$key"
	done >"$found"
	report "postern(1) has all keys of the JSON" "$found"
else
	ok "postern(1) has all commands # SKIP postern is not built"
fi

posternd=$builddir/posternd
if test -x "$posternd"; then
	"$posternd" -h | grep -o -e '\[-[a-zA-Z]' -e 'd -[a-zA-Z] ' | tr -dc 'a-zA-Z\n' | sed 's/^d//' |
		sort -u >"$builddir/posternd-options"
	while read -r option; do
		grep -q "^\.It Fl $option" docs/posternd.8 || echo "-$option"
	done <"$builddir/posternd-options" >"$found"
	test "$(wc -l <"$builddir/posternd-options")" -ge 4 ||
		echo "posternd -h tells fewer options than there were" >>"$found"
	rm -f "$builddir/posternd-options"
	report "posternd(8) has all options" "$found"
else
	ok "posternd(8) has all options # SKIP posternd is not built"
fi
finish
