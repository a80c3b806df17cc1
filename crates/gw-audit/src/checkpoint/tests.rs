use super::*;

#[test]
fn a_checkpoint_reads_back_for_its_ledger_only() {
    let signer = Signer::new("acme/7c9e", &[1; 32]).unwrap();
    let checkpoint =
        Checkpoint { origin: "acme/7c9e".to_owned(), size: 70_000, root: Hash::leaf(b"root") };
    let bytes = checkpoint.sign(&[&signer]).to_string();
    assert_eq!(Checkpoint::open(bytes.as_bytes(), signer.verifier()), Ok(checkpoint.clone()));

    let another = Signer::new("acme/7c9e", &[2; 32]).unwrap();
    assert_eq!(Checkpoint::open(bytes.as_bytes(), another.verifier()), Err(Refusal::NotSigned));

    let foreign = Checkpoint { origin: "other".to_owned(), ..checkpoint };
    let bytes = foreign.sign(&[&signer]).to_string();
    assert_eq!(Checkpoint::open(bytes.as_bytes(), signer.verifier()), Err(Refusal::OtherLedger));
}

#[test]
fn a_checkpoint_has_one_form() {
    let root = Hash::empty();
    let good = format!("acme\n0\n{root}\n");
    assert_eq!(Checkpoint::parse(&good).unwrap().to_string(), good);
    let extended = Checkpoint::parse(&format!("acme\n5\n{root}\nmore\n")).unwrap();
    assert_eq!(extended.size, 5);
    for bad in [
        format!("\n5\n{root}\n"),
        format!("acme\n05\n{root}\n"),
        format!("acme\n+5\n{root}\n"),
        format!("acme\n-1\n{root}\n"),
        format!("acme\n18446744073709551616\n{root}\n"),
        format!("acme\n5\n{root}"),
        format!("acme\n5\n{root}\n\n"),
        "acme\n5\nAAAA\n".to_owned(),
        "acme\n5\n".to_owned(),
    ] {
        assert_eq!(Checkpoint::parse(&bad), None, "{bad:?}");
    }
}
