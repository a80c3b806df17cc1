use super::row;

#[test]
fn long_words_go_on_below_and_the_times_stay_in_their_column() {
    let short = row("✔", "stage", "3 objects, not served yet", "0.1 s");
    let long = row(
        "✔",
        "probe",
        "no token → 401 · token of another issuer → 401 · unlisted path → 404 · a call that no \
         rule grants → 403 · and one more",
        "12.3 s",
    );
    insta::assert_snapshot!(format!("{short}\n{long}"), @r"
    ✔ stage      3 objects, not served yet                                              0.1 s
    ✔ probe      no token → 401 · token of another issuer → 401 · unlisted path → 404 · 12.3 s
                 a call that no rule grants → 403 · and one more
    ");
    let column = |text: &str, of: &str| {
        text.lines().next().and_then(|line| {
            line.find(of).map(|at| line.get(..at).map(|head| head.chars().count()))
        })
    };
    assert_eq!(column(&short, "0.1 s"), column(&long, "12.3 s"));
}

#[test]
fn a_word_without_a_space_is_not_cut() {
    let path = "x".repeat(200);
    assert_eq!(row("✘", "switch", &path, ""), format!("  ✘ switch     {path}"));
}
