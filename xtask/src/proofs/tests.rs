use super::*;

fn tables(path: &str, text: &str) -> (String, Vec<String>) {
    let (found, findings) = marks::read(path, text);
    let mut shown: BTreeMap<Id, Vec<&Mark>> = BTreeMap::new();
    for mark in &found {
        shown.entry(mark.id).or_default().push(mark);
    }
    let text = format!("{}{}", table::requirements(&shown), table::threats(&shown));
    (text, findings.into_iter().map(|found| found.wrong).collect())
}

fn row<'t>(tables: &'t str, id: &str) -> &'t str {
    let start = format!("| {id} |");
    tables.lines().find(|line| line.starts_with(&start)).expect("the row exists")
}

#[test]
fn there_are_149_requirements_and_106_threats() {
    let (threats, requirements): (Vec<_>, Vec<_>) = catalogue::all().partition(|id| id.is_threat());
    assert_eq!((requirements.len(), threats.len()), (149, 106));
    assert_eq!(Id::parse("S4.29").map(|id| id.to_string()).as_deref(), Some("S4.29"));
    assert_eq!(Id::parse("S4.30"), None);
    assert_eq!(Id::parse("F25"), None);
}

#[test]
fn a_row_is_as_strong_as_its_weakest_mark() {
    let (tables, wrong) = tables(
        "a/tests.rs",
        "/// Shows S1.5: holds\n#[test]\nfn one() {\n}\n\n\
         /// Why.\n/// Shows S1.5: part (no law)\n/// Shows S1.6: holds\n#[tokio::test]\nasync fn two() {\n}\n",
    );
    assert_eq!(wrong, [""; 0]);
    assert_eq!(
        row(&tables, "S1.5"),
        "| S1.5 | part (no law) | `one` in a/tests.rs; `two` in a/tests.rs |"
    );
    assert_eq!(row(&tables, "S1.6"), "| S1.6 | holds | `two` in a/tests.rs |");
    assert_eq!(row(&tables, "S1.7"), "| S1.7 | open |  |");
}

#[test]
fn a_threat_counts_only_through_the_helper() {
    let (tables, wrong) = tables(
        "a/tests.rs",
        "/// Shows J1: holds\n#[test]\nfn bare() {\n    assert!(refused());\n}\n\n\
         /// Shows J2: holds\n#[test]\nfn direct() {\n    attack::run(&[]);\n}\n\n\
         /// Shows J3: holds\n#[test]\nfn through() {\n    every(1);\n}\n\n\
         fn every(n: u8) {\n    gw_testkit::attack(n);\n}\n",
    );
    assert_eq!(wrong, ["`bare` claims J1 without `gw_testkit::attack`"]);
    assert_eq!(row(&tables, "J1"), "| J1 | open |  |");
    assert_eq!(row(&tables, "J2"), "| J2 | holds | `direct` in a/tests.rs |");
    assert_eq!(row(&tables, "J3"), "| J3 | holds | `through` in a/tests.rs |");
}

#[test]
fn marks_that_say_nothing_are_found() {
    let (_, wrong) = tables(
        "a/tests.rs",
        "/// Shows S9.1: holds\n#[test]\nfn one() {\n}\n/// Shows S1.1: perhaps\n#[test]\nfn two() {\n}\n\
         /// Shows S1.1: holds\nfn three() {\n}\n/// Shows S1.1: holds\n",
    );
    assert_eq!(
        wrong,
        [
            "there is no row `S9.1`",
            "`Shows S1.1: perhaps` is not `Shows ID: STATE`",
            "`three` is not a test",
            "this mark stands above no test"
        ]
    );
}
