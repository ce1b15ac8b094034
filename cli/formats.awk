# Which fields of the images a person wants to see in another form than a number: from the comments behind
# fields in the .proto files, a row each for the table in cli/show_message.c. As options of the fields,
# protobuf-c would not keep them.
#
#	required uint32 flags = 2;	// [hex] open flags
#
# [hex]		hexadecimal; on a message: all numbers in it
# [flags T]	names of bits, from table T of cli/show_names.c
# [dict T]	the name of a value, from table T there
# [dev]		device, major << 20 | minor
# [odev]	device, as stat() gives it
# [ipadd]	address, one word or four
# [conv T]	bytes that are mostly text

$1 == "message" { message = $2 }

match($0, /; *\t*\/\/ \[(hex|flags|dict|dev|odev|ipadd|conv)[^]]*\]/) {
	tag = substr($0, RSTART, RLENGTH)
	sub(/^.*\[/, "", tag)
	sub(/\]$/, "", tag)
	split(tag, word, " ")
	printf "{ \"%s\", \"%s\", FORMAT_%s, \"%s\" },\n", message, $3, toupper(word[1]), word[2]
}
