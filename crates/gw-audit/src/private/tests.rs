use super::*;
use crate::{
    entry::{Actor, Event, Subject},
    sample::{Memory, event},
};

#[test]
fn the_hash_tells_nothing_without_its_salt_and_everything_with_it() {
    let erik = Opened::new("erik@acme.com", [1; SALT_LEN]);
    let again = Opened::new("erik@acme.com", [2; SALT_LEN]);
    assert_ne!(erik.hash, again.hash, "equal texts do not show");
    assert!(erik.holds());
    assert!(!Opened { text: "mira@acme.com".to_owned(), ..erik.clone() }.holds());
    assert!(!Opened { salt: again.salt, ..erik.clone() }.holds());
    assert!(!format!("{erik:?} {}", erik.hash).contains("acme"));
}

#[test]
fn a_salt_and_a_text_are_never_taken_for_one_another() {
    let one = Opened::new("bc", [0; SALT_LEN]);
    let shifted = Opened { salt: format!("{}b", one.salt), text: "c".to_owned(), ..one.clone() };
    assert!(!shifted.holds());
}

#[test]
fn a_hash_has_one_form_and_leads_nowhere_else() {
    let hash = Opened::new("erik@acme.com", [1; SALT_LEN]).hash;
    assert_eq!(Private::parse(hash.as_str()), Some(hash.clone()));
    assert!(hash.path().starts_with("personal/") && hash.path().ends_with(".json"));
    let (up, half) = (hash.as_str().replacen("salted:", "salted:../", 1), "salted:c2FsdA");
    for wrong in ["", "salted:", "erik", up.as_str(), half] {
        assert_eq!(Private::parse(wrong), None, "{wrong}");
        let json = serde_json::to_string(wrong).unwrap();
        assert!(serde_json::from_str::<Private>(&json).is_err(), "{wrong}");
    }
}

#[test]
fn what_was_erased_is_gone_and_what_was_edited_is_not_believed() {
    let (erik, mira) =
        (Opened::new("erik@acme.com", [1; SALT_LEN]), Opened::new("mira", [2; SALT_LEN]));
    let mut folder = Memory::default();
    assert_eq!(Opened::read(&folder, &erik.hash), Ok(None));
    folder.0.insert(erik.hash.path(), erik.to_bytes());
    assert_eq!(Opened::read(&folder, &erik.hash), Ok(Some(erik.clone())));
    assert_eq!(Opened::check_all(&folder), Ok(1));

    let path = erik.hash.path();
    let renamed = Opened { text: "mira".to_owned(), ..erik.clone() };
    for bytes in [renamed.to_bytes(), mira.to_bytes(), vec![]] {
        folder.0.insert(path.clone(), bytes);
        let damaged = ReadError::Damaged { path: path.clone() };
        assert_eq!(Opened::read(&folder, &erik.hash), Err(damaged.clone()));
        assert_eq!(Opened::check_all(&folder), Err(damaged));
    }
    folder.0.remove(&path);
    folder.0.insert("personal/x".to_owned(), vec![]);
    assert!(Opened::check_all(&folder).is_err());
}

#[test]
fn whose_text_is_gone_is_told_unless_they_were_erased() {
    let people = [1, 2, 3, 4].map(|salt| Opened::new("mira", [salt; SALT_LEN]));
    let [there, erased, missing, typed] = people;
    let mut named = Named::default();
    let mut learn = |event: Event| {
        let entry = Entry::place(event, 0, time::OffsetDateTime::UNIX_EPOCH, None);
        named.learn(&entry.to_bytes().unwrap());
    };
    let approvers = [&there, &erased].map(|opened| opened.hash.as_str());
    learn(event(Act::Decided).fact("approvedBy", approvers.to_vec()));
    let mut asked = event(Act::Planned).fact("reason", typed.hash.as_str());
    let via = asked.by.clone();
    let subject = Some(Subject::Person(missing.hash.clone()));
    asked.by.via = vec![Actor { subject, ..via }];
    learn(asked);
    learn(event(Act::Erased).fact("erased", erased.hash.as_str()));
    let mut folder = Memory::default();
    folder.0.insert(there.hash.path(), there.to_bytes());
    assert_eq!(named.missing(&folder), Ok(vec![missing.hash]));
}
