use super::add_claim;

#[test]
fn the_repair_is_told_in_the_words_of_the_issuer() {
    let of = |issuer: &str, left_out| add_claim(issuer, "groups", left_out);
    for (issuer, left_out, repair) in [
        (
            "https://acme.okta.com/oauth2/default",
            false,
            "Okta → Security → API → default → Claims → add \"groups\" to the access token",
        ),
        (
            "https://login.microsoftonline.com/5f0c0f0e/v2.0",
            false,
            "Entra → App registrations → the API → Token configuration → add \"groups\" to the \
             access token",
        ),
        (
            "https://sts.windows.net/5f0c0f0e/",
            true,
            "Entra → App registrations → the API → Token configuration → groups claim → only \
             groups assigned to the application",
        ),
        (
            "https://notokta.com",
            false,
            "have https://notokta.com put the claim \"groups\" into its access tokens",
        ),
    ] {
        assert_eq!(of(issuer, left_out), repair);
    }
}
