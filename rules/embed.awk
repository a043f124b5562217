# Makes a text into a C string, so that the program works without the file.
# awk -v name=default_rules -f embed.awk FILE
BEGIN {
	print "/* clang-format off: made by rules/embed.awk */"
	print "#include \"rules/load.h\"\n"
	print "const char " name "[] ="
}
{
	gsub(/\\/, "\\\\")
	gsub(/"/, "\\\"")
	print "\t\"" $0 "\\n\""
}
END { print "\t\"\";" }
