# opa test deploy/opa
package spiffe.authz_test

import data.spiffe.authz

rules := [
	{"peer": "spiffe://example.org/web/", "methods": ["GET"], "path": "/orders/"},
	{"peer": "spiffe://example.org/checkout", "methods": ["GET", "POST"], "path": "/orders/"},
]

allowed(peer, method, path) if {
	request := {"peer": peer, "method": method, "path": path}
	authz.allow with input as request with data.rules as rules
}

test_exactly_who_is_named if allowed("spiffe://example.org/checkout", "POST", "/orders/7")

test_everybody_below_a_slash if allowed("spiffe://example.org/web/shop", "GET", "/orders/7")

test_not_who_is_beside_it if not allowed("spiffe://example.org/website", "GET", "/orders/7")

test_not_below_an_exact_name if not allowed("spiffe://example.org/checkout/other", "GET", "/orders/7")

test_not_another_trust_domain if not allowed("spiffe://partner.test/web/shop", "GET", "/orders/7")

test_not_another_method if not allowed("spiffe://example.org/web/shop", "POST", "/orders/7")

test_not_another_path if not allowed("spiffe://example.org/web/shop", "GET", "/admin")

test_not_a_path_that_begins_alike if not allowed("spiffe://example.org/web/shop", "GET", "/orders-of-others")

test_not_without_a_peer if not allowed("", "GET", "/orders/7")

test_not_without_rules if {
	request := {"peer": "spiffe://example.org/checkout", "method": "GET", "path": "/orders/7"}
	not authz.allow with input as request with data.rules as []
}

test_not_without_an_input if not authz.allow with input as {} with data.rules as rules
