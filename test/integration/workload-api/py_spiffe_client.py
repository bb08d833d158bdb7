"""Asks the Workload API at argv[1] everything that py-spiffe can, and prints what it understood as JSON."""
import json
import sys

from spiffe import TrustDomain, WorkloadApiClient

AUDIENCE = "payments"


def spiffe_ids(bundle_set):
    return sorted(str(bundle.trust_domain) for bundle in bundle_set.bundles)


with WorkloadApiClient(sys.argv[1], default_timeout=10) as client:
    context = client.fetch_x509_context()
    jwt_bundles = client.fetch_jwt_bundles()
    jwt_svid = client.fetch_jwt_svid({AUDIENCE})
    own = jwt_bundles.get_bundle_for_trust_domain(TrustDomain("example.org"))
    print(
        json.dumps(
            {
                "x509_svids": {str(svid.spiffe_id): format(svid.leaf.serial_number, "X") for svid in context.x509_svids},
                "chain_lengths": [len(svid.cert_chain) for svid in context.x509_svids],
                "x509_context_bundles": spiffe_ids(context.x509_bundle_set),
                "x509_bundles": spiffe_ids(client.fetch_x509_bundles()),
                "jwt_bundles": spiffe_ids(jwt_bundles),
                "jwt_svid": str(jwt_svid.parse_and_validate(jwt_svid.token, own, {AUDIENCE}).spiffe_id),
                "validated_jwt_svid": str(client.validate_jwt_svid(jwt_svid.token, AUDIENCE).spiffe_id),
            }
        )
    )
