use super::*;

#[test]
fn only_the_whole_name_in_one_spelling_is_a_name() {
    for (digits, format) in [(40, Format::Sha1), (64, Format::Sha256)] {
        let text = "0123456789abcdef".chars().cycle().take(digits).collect::<String>();
        let id: ObjectId = text.parse().unwrap();
        assert_eq!((id.to_string(), id.format()), (text.clone(), format));
        assert_eq!(ObjectId::try_from(id.as_bytes()), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("{text:?}"));
    }
    for bad in [
        "",
        "0123456789ab",
        &"0".repeat(40),
        &"0".repeat(64),
        &"A".repeat(40),
        &"g".repeat(40),
        &"+1".repeat(20),
        &"1".repeat(41),
        &"é".repeat(20),
        "HEAD",
        "refs/heads/main",
    ] {
        assert_eq!(bad.parse::<ObjectId>(), Err(NotAnId), "{bad}");
    }
}
