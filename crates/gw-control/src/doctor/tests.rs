use super::*;
use crate::approve;

#[test]
fn a_key_that_proves_nothing_is_told() {
    let mut rules = approve::tests::rules();
    assert_eq!(signing_keys(&rules), []);
    let erik = rules.people.get_mut("erik").unwrap();
    let good = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    erik.signing_keys = vec![good.to_owned(), "ssh-ed25519 AAAA".to_owned()];
    let [told] = &signing_keys(&rules)[..] else { panic!("one of two") };
    assert_eq!((told.good, told.name.as_str()), (false, "signing key 2 of erik"));
    assert_eq!(told.found, "it is not one public key of OpenSSH or OpenPGP");
}
