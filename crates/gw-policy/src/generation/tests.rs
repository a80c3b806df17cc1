use proptest::prelude::*;
use serde_json::json;

use super::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn generation(number: u64) -> Generation {
    Generation {
        workspace_id: WorkspaceId::from_random([7; 16]),
        environment: EnvironmentName::parse("dev").unwrap(),
        target: TargetName::parse("default").unwrap(),
        number,
        change: Some(number),
        effect: "sha256:00".to_owned(),
        made_at: OffsetDateTime::UNIX_EPOCH,
        objects: vec![Object {
            kind: "api".to_owned(),
            name: "orders".to_owned(),
            body: Body::write(&json!({"limits": [{"rate": "100/1m"}]})).unwrap(),
        }],
    }
}

fn open(file: &[u8], seed: u8, last_seen: Option<u64>) -> Result<Generation, Refusal> {
    let Generation { workspace_id, environment, target, .. } = generation(1);
    let expected = Expected {
        workspace_id: &workspace_id,
        environment: &environment,
        target: &target,
        last_seen,
    };
    Generation::open(file, &key(seed).public(), &expected)
}

#[test]
fn what_was_signed_can_be_opened() {
    let file = generation(3).sign(&key(1)).unwrap();
    assert_eq!(open(&file, 1, Some(3)), Ok(generation(3)));
}

#[test]
fn another_key_opens_nothing() {
    let file = generation(3).sign(&key(1)).unwrap();
    assert_eq!(open(&file, 2, None), Err(Refusal::Forged));
}

#[test]
fn an_older_number_is_refused_and_its_content_may_return_under_a_new_one() {
    let old = generation(3).sign(&key(1)).unwrap();
    assert_eq!(open(&old, 1, Some(4)), Err(Refusal::Older { number: 3, last_seen: 4 }));
    let again = Generation { number: 5, ..generation(3) }.sign(&key(1)).unwrap();
    assert_eq!(open(&again, 1, Some(4)).unwrap().objects, generation(3).objects);
}

#[test]
fn a_generation_of_another_place_is_refused() {
    let elsewhere = |edit: fn(&mut Generation)| {
        let mut generation = generation(3);
        edit(&mut generation);
        open(&generation.sign(&key(1)).unwrap(), 1, None).unwrap_err().to_string()
    };
    let other = WorkspaceId::from_random([8; 16]);
    assert_eq!(
        elsewhere(|it| it.workspace_id = WorkspaceId::from_random([8; 16])),
        format!("the generation was made for another workspace, `{other}`")
    );
    insta::assert_snapshot!(
        elsewhere(|it| it.environment = EnvironmentName::parse("prod").unwrap()),
        @"the generation was made for another environment, `prod`"
    );
    insta::assert_snapshot!(
        elsewhere(|it| it.target = TargetName::parse("edge").unwrap()),
        @"the generation was made for another target, `edge`"
    );
}

#[test]
fn a_later_form_is_refused_by_name() {
    let file = generation(3).sign(&key(1)).unwrap();
    let text = String::from_utf8(file).unwrap().replacen("generation/v1", "generation/v9", 1);
    insta::assert_snapshot!(
        open(text.as_bytes(), 1, None).unwrap_err(),
        @"the generation has the form `gatewright.io/generation/v9`, this version reads `gatewright.io/generation/v1`"
    );
}

#[test]
fn what_is_no_generation_is_refused() {
    for bytes in [&b""[..], b"\n", b"{}\n{}", b"null", b"\xff\xfe\n"] {
        assert!(matches!(open(bytes, 1, None), Err(Refusal::NotAGeneration { .. })), "{bytes:?}");
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let file = generation(3).sign(&key(1)).unwrap();
    for index in 0..file.len() {
        for bit in 0..8 {
            let mut altered = file.clone();
            altered[index] ^= 1 << bit;
            assert!(open(&altered, 1, None).is_err(), "byte {index}, bit {bit}");
        }
    }
}

#[test]
fn keys_survive_their_written_form() {
    let first = key(1);
    let again = SigningKey::parse(&first.to_pkcs8().unwrap()).unwrap();
    assert_eq!(again.public(), first.public());
    assert_eq!(PublicKey::parse(&first.public().to_string()), Ok(first.public()));
    for text in ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA"] {
        assert_eq!(PublicKey::parse(text), Err(KeyRefusal), "{text}");
    }
    assert_eq!(SigningKey::parse(b"nothing").map(|_| ()), Err(KeyRefusal));
}

#[test]
fn a_printed_key_shows_its_name_only() {
    insta::assert_snapshot!(format!("{:?}", key(1)), @"SigningKey(34750f98bd59fcfc)");
}

proptest! {
    #[test]
    fn garbage_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(open(&bytes, 1, None).is_err());
    }

    #[test]
    fn a_cut_file_is_refused(keep in any::<prop::sample::Index>()) {
        let file = generation(3).sign(&key(1)).unwrap();
        let end = keep.index(file.len());
        prop_assert!(open(&file[..end], 1, None).is_err());
    }
}
