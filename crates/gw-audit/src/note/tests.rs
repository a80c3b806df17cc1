use super::*;

/// The key and the note that the specification of signed notes shows.
const PUBLISHED_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const PUBLISHED_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

#[test]
fn the_published_note_is_signed_by_the_published_key() {
    let key = Verifier::parse(PUBLISHED_KEY).unwrap();
    let note = Note::parse(PUBLISHED_NOTE.as_bytes()).unwrap();
    assert!(note.signed_by(&key));
    assert_eq!(note.to_string(), PUBLISHED_NOTE);
    assert_eq!(key.to_string(), PUBLISHED_KEY);
}

#[test]
fn a_signature_holds_for_its_text_and_key_only() {
    let (ours, other) = (signer("ledger", 1), signer("ledger", 2));
    let note = Note::sign("text\n\nwith an empty line\n".to_owned(), &[&ours]);
    let read = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(read, note);
    assert!(read.signed_by(ours.verifier()));
    assert!(!read.signed_by(other.verifier()));
    let edited = note.to_string().replace("with", "mith");
    assert!(!Note::parse(edited.as_bytes()).unwrap().signed_by(ours.verifier()));
}

#[test]
fn one_bad_line_of_a_key_spoils_its_good_one() {
    let ours = signer("ledger", 1);
    let good = Note::sign("text\n".to_owned(), &[&ours]).to_string();
    let bad = Note::sign("other\n".to_owned(), &[&ours]).to_string();
    let line = bad.lines().last().unwrap();
    let both = format!("{good}{line}\n");
    assert!(!Note::parse(both.as_bytes()).unwrap().signed_by(ours.verifier()));
}

#[test]
fn what_is_no_note_is_named() {
    let refuse = |text: &str| Note::parse(text.as_bytes()).unwrap_err();
    assert_eq!(refuse("text\n"), Malformed::Unsigned);
    assert_eq!(refuse("text\r\n\n\u{2014} a AAAAAAA=\n"), Malformed::NotText);
    assert_eq!(refuse("text\n\n- a AAAAAAA=\n"), Malformed::SignatureLine);
    assert_eq!(refuse("text\n\n\u{2014} a AAAAAAA=\n\u{2014} b\n"), Malformed::SignatureLine);
    assert_eq!(refuse("text\n\n\u{2014} a AAA=\n"), Malformed::SignatureLine);
    assert_eq!(refuse("text\n\n\u{2014} a AAAAAAA="), Malformed::SignatureLine);
    assert_eq!(Note::parse(&[0xff]).unwrap_err(), Malformed::NotText);
    assert_eq!(Note::parse(&vec![b'a'; MAX_BYTES + 1]).unwrap_err(), Malformed::TooLarge);
}

#[test]
fn a_key_has_one_form() {
    let parse = Verifier::parse;
    assert_eq!(
        parse("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
        Err(Malformed::Key)
    );
    assert_eq!(parse("example.com/foo+530d903a"), Err(Malformed::Key));
    assert_eq!(parse("a+00000000+AA=="), Err(Malformed::Key));
    assert_eq!(Verifier::new("two words", [0; 32]), Err(Malformed::KeyName));
    assert_eq!(Verifier::new("", [0; 32]), Err(Malformed::KeyName));
}

fn signer(name: &str, seed: u8) -> Signer {
    Signer::new(name, &[seed; 32]).unwrap()
}

#[test]
fn a_private_key_reads_back_as_what_was_written_and_nothing_else_is_one() {
    let text = Signer::written("acme", &[7; 32]).unwrap();
    let signer = Signer::parse(&text).unwrap();
    assert_eq!(signer.verifier(), Signer::new("acme", &[7; 32]).unwrap().verifier());
    let public = signer.verifier().to_string();
    let renamed = text.replace("acme", "evil");
    let short = text.chars().take(text.len() - 8).collect();
    for wrong in [public, renamed, short, String::new(), "PRIVATE+KEY+a".to_owned()] {
        assert_eq!(Signer::parse(&wrong).unwrap_err(), Malformed::Key, "{wrong}");
    }
}
