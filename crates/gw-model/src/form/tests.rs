use super::*;
use crate::{
    id::is_name,
    scalar::{ByteSize, Period, Rate},
};

#[test]
fn every_pattern_compiles() {
    for form in ALL {
        assert!(Regex::new(form.pattern).is_ok(), "{}", form.pattern);
    }
}

proptest::proptest! {
    /// The pattern that editors use and the code that decides are two writings of one rule.
    #[test]
    fn patterns_agree_with_the_readers(text in "[a-c0-2-]{0,4}|[-a-z0-9.]{60,66}|[0-9]{1,4}(/[0-9]{1,3})?(ms|s|m|h|d|KiB|MiB|x)?") {
        proptest::prop_assert_eq!(NAME.holds(&text), is_name(&text));
        proptest::prop_assert_eq!(PERIOD.holds(&text), text.parse::<Period>().is_ok());
        proptest::prop_assert_eq!(RATE.holds(&text), text.parse::<Rate>().is_ok());
        proptest::prop_assert_eq!(SIZE.holds(&text), text.parse::<ByteSize>().is_ok());
    }
}
