use super::*;

/// The parts are joined here so that no scanner takes this file for a leak.
fn keys() -> Vec<(String, &'static str)> {
    vec![
        (["AKIA", "Z7Q2M5N8P1R4T6VX"].concat(), "an AWS access key"),
        (["ghp_", "9fK2mQ7xT4bV1nR8sL3wZ6yC0dJ5hG2pE4a"].concat(), "a GitHub token"),
        (["sk_live_", "51H8xYz2eZvKYlo2C0aB9"].concat(), "a Stripe key"),
        (["-----BEGIN RSA ", "PRIVATE KEY-----\nMIIE\n"].concat(), "a private key"),
        (
            ["eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiJhIn0.", "c2lnbmF0dXJlc2lnbmF0dXJl"].concat(),
            "a signed token",
        ),
        (["https://gw:", "hunter2@orders.internal/v1"].concat(), "a password in a URL"),
        (["k3Jx9QmZ7", "vR2tY8wLp5Ns1BcD4fG6h"].concat(), "a random key"),
        (["9f86d081884c7d65", "9a2feaa0c55ad015"].concat(), "a random key"),
    ]
}

/// Shows S4.19: part (rotations are not counted yet)
#[test]
fn finds_credentials_of_every_kind() {
    for (key, kind) in keys() {
        let text = format!("before {key} behind");
        let leak = find(&text, Look::Everything).unwrap_or_else(|| panic!("{kind} is not found"));
        assert_eq!(leak.kind, kind);
        let found = text.get(leak.at).unwrap();
        assert!(found.contains(&key) || key.contains(found), "{found}");
    }
}

#[test]
fn public_things_are_no_credentials() {
    for text in [
        "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/v2.0",
        "{7c9e6679-7425-40de-944b-e07fc1f90ae7}",
        "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "00u1erik0000000000",
        "/subscriptions/5f0c0f0e-0000-4000-8000-000000000001/resourceGroups/rg-apim-prod/providers/Microsoft.ApiManagement/service/apim-acme-prod",
        "system:serviceaccount:gateways:gatewright",
        "docker://gatewright/pipe@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "two regions count separately, so a caller can reach 120/1m; the backend stands 600/1m",
        "https://orders.${env.internalDomain}",
        "https://user:${env.password}@host",
        "apis/orders-and-a-long-name/openapi-v2-2026-10-01.yaml",
        "AKIAIOSFODNN7EXAMPLE",
        "X-Very-Long-Header-Name-With-Many-Words-In-It",
        "listOrdersByCustomerAndDateRangeV2",
        "context.approverTeams.contains(\"security\")",
        "MicrosoftApiManagementServiceContributor2026Role",
    ] {
        assert_eq!(find(text, Look::Everything), None, "{text}");
    }
}

#[test]
fn hexadecimal_keys_are_no_names() {
    assert!(is_no_name("9f86d081884c7d659a2feaa0c55ad015"));
    assert!(is_no_name("7c9e6679-7425-40de-944b-e07fc1f90ae7"));
    assert!(!is_no_name("orders-backend-key"));
    assert!(!is_no_name("a-name-of-63-letters-that-is-long-and-still-made-of-plain-words"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_an_answer(text: String) {
        if let Some(leak) = find(&text, Look::Everything) {
            proptest::prop_assert!(text.get(leak.at).is_some());
        }
    }
}

#[test]
fn a_text_made_of_beginnings_costs_no_square() {
    // With a look to the end of the text from each of its beginnings this takes minutes.
    let beginnings = "-AKIA".repeat(200_000);
    assert!(find(&beginnings, Look::Everything).is_none());
    let words = "/Ab3dEf6hIj9lMn2pQr5tUv8x:".repeat(40_000);
    assert!(find(&words, Look::Everything).is_none());
}
