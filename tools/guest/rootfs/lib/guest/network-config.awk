# Network data, version 2: "<card> address A/N" and "<card> gateway G" for each static entry.
# The cards are the keys one level below `ethernets`.

function emit(word, list,    n, i, parts) {
	gsub(/[]["' ]/, "", list)
	n = split(list, parts, ",")
	for (i = 1; i <= n; i++) if (parts[i] != "") print card, word, parts[i]
}

{
	match($0, /^ */)
	indent = RLENGTH
	text = substr($0, indent + 1)
}

text == "" || text ~ /^#/ { next }
text ~ /^ethernets:/ { base = indent; inside = 1; level = -1; next }
inside && indent <= base { inside = 0 }
!inside { next }
level < 0 { level = indent }
indent == level { card = text; sub(/:.*/, "", card); next }
text ~ /^addresses:/ { taking = indent; sub(/^addresses: */, "", text); emit("address", text); next }
text ~ /^- / && taking { sub(/^- */, "", text); emit("address", text); next }
{ taking = 0 }
text ~ /^gateway[46]:/ { sub(/^gateway[46]: */, "", text); emit("gateway", text) }
