# Who may call what: the caller's SPIFFE ID, the method and the path, held against the rules in data.json. Whatever is not allowed there is
# refused.
package spiffe.authz

default allow := false

allow if {
	some rule in data.rules
	matches(input.peer, rule.peer)
	input.method in rule.methods
	matches(input.path, rule.path)
}

# Exactly, or below what ends with a slash: "spiffe://example.org/web" says nothing of spiffe://example.org/website.
matches(text, pattern) if text == pattern

matches(text, pattern) if {
	endswith(pattern, "/")
	startswith(text, pattern)
}
