use gw_audit::entry::Proof;
use gw_model::id::IdentityName;

use super::Asker;

#[test]
fn both_halves_name_the_reserved_identity() {
    for (asker, name, proof) in [
        (Asker::local(), IdentityName::LOCAL, Proof::State),
        (Asker::server(), IdentityName::SERVER, Proof::Itself),
    ] {
        let [principal] = asker.caller.principals.as_slice() else {
            unreachable!("one principal: {asker:?}")
        };
        assert_eq!(principal.identity.as_str(), name);
        assert_eq!(principal.expires_at, None);
        assert_eq!((asker.actor.identity.as_str(), asker.actor.proof), (name, proof));
        assert!(IdentityName::parse(name).is_ok_and(|parsed| parsed == principal.identity));
    }
}
