# The part of #cloud-config that this guest knows, as one file per value below `out`:
# hostname, password, chpasswd.list, chpasswd.users.N.name, runcmd.N, write_files.N.path ...
# Relies on block style YAML as people write it; a flow list is taken for commands.

function quote(text) {
	gsub(/'/, "'\\''", text)
	return "'" text "'"
}

function scalar(text) {
	if (text ~ /^["']/) sub(/["'][ \t]+#[^"']*$/, substr(text, 1, 1), text)
	if (text ~ /^".*"$/) {
		text = substr(text, 2, length(text) - 2)
		gsub(/\\"/, "\"", text)
		gsub(/\\n/, "\n", text)
		gsub(/\\\\/, "\\", text)
	} else if (text ~ /^'.*'$/) {
		text = substr(text, 2, length(text) - 2)
		gsub(/''/, "'", text)
	} else {
		sub(/[ \t]+#.*$/, "", text)
	}
	return text
}

# [sh, -c, "a, b"] -> 'sh' '-c' 'a, b'
function words(text,    i, c, open, word, line) {
	text = substr(text, 2, length(text) - 2) ","
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (open == "" && c == ",") {
			gsub(/^[ \t]+|[ \t]+$/, "", word)
			line = line (line == "" ? "" : " ") quote(scalar(word))
			word = ""
			continue
		}
		if (open == "" && (c == "\"" || c == "'")) open = c
		else if (c == open) open = ""
		word = word c
	}
	return line
}

function put(name, text) {
	printf "%s\n", text > (out "/" name)
}

# A value, or the start of a block (| or >) whose lines follow.
function value(name, text, indent) {
	if (text ~ /^[|>][-+0-9]*$/) {
		block = name
		block_outer = indent
		block_inner = -1
		folded = text ~ /^>/
		printf "" > (out "/" name)
	} else if (text ~ /^\[.*\]$/) {
		put(name, words(text))
	} else {
		put(name, scalar(text))
	}
}

function known(key) {
	return key ~ /^(hostname|password|chpasswd|runcmd|bootcmd|write_files|ssh_authorized_keys|ssh_pwauth|final_message|user|fqdn)$/
}

{
	sub(/\r$/, "")
	match($0, /^ */)
	indent = RLENGTH
	text = substr($0, indent + 1)
}

block != "" {
	if (text == "") {
		pending = pending "\n"
		next
	}
	if (indent > block_outer) {
		if (block_inner < 0) block_inner = indent
		printf "%s%s%s", pending, substr($0, block_inner + 1), folded ? " " : "\n" > (out "/" block)
		pending = ""
		next
	}
	block = ""
	pending = ""
}

text == "" || text ~ /^#/ { next }

indent == 0 && text !~ /^-/ {
	colon = index(text, ":")
	top = section = substr(text, 1, colon - 1)
	item = 0
	rest = substr(text, colon + 1)
	sub(/^[ \t]+/, "", rest)
	if (!known(top)) print "cloud-init: " top " is not known to this guest"
	else if (rest != "") value(top, rest, indent)
	next
}

!known(top) { next }

text ~ /^- / || text == "-" {
	item++
	sub(/^-[ \t]*/, "", text)
	if (section !~ /^(write_files|chpasswd\.users)$/) {
		value(section "." item, text, indent)
		next
	}
	indent += 2
}

{
	colon = index(text, ":")
	key = substr(text, 1, colon - 1)
	rest = substr(text, colon + 1)
	sub(/^[ \t]+/, "", rest)
	if (rest == "") {
		section = top "." key
		item = 0
	} else {
		value((item ? section "." item : top) "." key, rest, indent)
	}
}
