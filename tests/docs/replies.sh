#!/bin/sh
# Code and catalogue hold together: no front says what has no row in mail/said.c, no row is there that
# nothing says, and no rule that is shipped or shown replies with a code that is not explained.
. "${srcdir:-.}/tests/style/lib.sh"

names=$(sed -n '/^enum said {/,/^}/s/^	SAID_\([A-Z0-9_]*\),$/\1/p' mail/said.h)
test -n "$names" || echo "mail/said.h has no names" >"$found"
report "there are replies" "$found"

for name in $names; do
	grep -q "ROW($name," mail/said.c || echo "SAID_$name has no row"
done >"$found"
report "every reply has its row" "$found"

# What the command line tells of is not said by it.
sayers=$(sources $folders | grep -v -e '^mail/said\.' -e '^cli/')
for name in $names; do
	# shellcheck disable=SC2086
	grep -qw "SAID_$name" $sayers || echo "SAID_$name: nothing says it"
done >"$found"
report "every row is said by something" "$found"

# What would be a reply that comes from elsewhere: a literal with a code at its beginning, a verdict
# with a code of its own, a reply written anywhere but here. EHLO has many lines; the
# gate writes what rules say, which at connect is 421, and the journal's own code of what was accepted.
# shellcheck disable=SC2086
{
	grep -nE '"[2345][0-9][0-9][ -]' $sayers | grep -v '/\*.*\*/' |
		grep -v -e '^proxy/abilities\.c:.*"250-' -e '^proxy/abilities\.c:.*250 ENHANCED'
	grep -nE '\.(code|enhanced) = ("|[2345][0-9][0-9])' $sayers | grep -v -e 'gate\.c:.*v\.code = 421;' -e 'draft\.r\.code = 250;'
	grep -nE 'client_(reply|error)(_with)?\([^,]*, *["0-9]' $sayers
	grep -nE '"[45][0-9][0-9]"|"[^"]*%[ds] [245]\.[0-9]+\.[0-9]' $(sources proxy)
	grep -nE '"[245]\.[0-9]\.[0-9]+"' $sayers | grep -v '^mail/\(code\|reply\|verdict\)\|/\*'
	grep -nw reply_write $sayers | grep -v -e '^mail/reply\.[ch]:' -e '^proxy/gate_outcome\.c:'
} >"$found"
report "nothing is said that has no row" "$found"

# Rules, wherever a person may copy them from.
postern=$builddir/postern
if test -x "$postern"; then
	"$postern" explain --json | sed -n 's/^{"code":"\([0-9X.]*\)".*/\1/p' >"$builddir/explained"
	find rules docs tests/scenario tests/e2e README.md -type f \
		\( -name '*.rules' -o -name '*.sample' -o -name '*.md' -o -name '*.[158]' -o -name '*.py' \) |
		sort | xargs grep -ohE '\b(reject|tempfail) +[45][0-9]{2} +[45]\.[0-9]+\.[0-9]+' |
		while read -r _ code enhanced; do
			grep -qx "$code" "$builddir/explained" || echo "$code is not explained"
			grep -qx "X.${enhanced#*.}" "$builddir/explained" || echo "$enhanced is not explained"
		done | sort -u >"$found"
	test "$(wc -l <"$builddir/explained")" -gt 50 || echo "hardly any code is explained" >>"$found"
	rm -f "$builddir/explained"
	report "every code of rules that are shown is explained" "$found"
else
	ok "every code of rules that are shown is explained # SKIP postern is not built"
fi

# What an explanation names between back quotes is a setting, a statement, a word of rules or a command.
{
	sed -n 's/^\.It Ic //p' docs/postern.conf.5 | sed 's/ \(Ar\|Cm\|Oo\|Op\|Ic\|\\(dq\) .*//'
	printf '%s\n' 'accept session' connect message 'recipients per message' connections 'from proxies'
	"$postern" --help | sed -n 's/^  \([a-z]*\) .*/postern \1/p'
} | sort -u >"$builddir/known"
# A literal may go on in the next line.
cat mail/said.c mail/code.c mail/code_enhanced.c | tr -d '\n' | sed 's/" *	*"//g' | grep -oE '`[^`]+`' |
	tr -d '`' | sort -u |
	while read -r word; do
		while read -r known; do
			case $word in
			"$known" | "$known "*) continue 2 ;;
			"timeout ...") continue 2 ;;
			esac
			case $known in "$word "*) continue 2 ;; esac
		done <"$builddir/known"
		echo "there is no $word"
	done >"$found"
rm -f "$builddir/known"
report "what explanations name exists" "$found"
finish
