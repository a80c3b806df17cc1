use super::{edges, links, shape, words};
use crate::{
    metadata::{Dependency, Kind, Package},
    repository::Repository,
};

/// What is said about a crate that ships these dependencies.
fn told(name: &str, kind: Kind, dependencies: &[&str]) -> String {
    let dependency = |used: &&str| Dependency { name: (*used).to_owned(), kind };
    let package = Package {
        name: name.to_owned(),
        dependencies: dependencies.iter().map(dependency).collect(),
    };
    let about = |found: &crate::Finding| found.place.contains(&format!("{name}/"));
    let found = edges::findings(&[package]);
    found.iter().filter(|found| about(found)).map(|found| format!("{found}\n")).collect()
}

#[test]
fn the_repository_is_tidy() {
    let repository = Repository::find().expect("the repository is here");
    let findings = super::run(&repository).expect("it can be read");
    let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(told, [""; 0]);
}

#[test]
fn an_edge_that_is_not_listed_is_refused_with_its_cure() {
    assert_eq!(
        told("gw-plan", Kind::Shipped, &["gw-control"]),
        "crates/gw-plan/Cargo.toml: `gw-plan` may not use `gw-control`\n  \
         cure: it may use gw-model, gw-policy: move the code there, or take a trait\n"
    );
    assert_eq!(
        told("gw-model", Kind::Shipped, &["gw-net"]),
        "crates/gw-model/Cargo.toml: `gw-model` may not use `gw-net`\n  \
         cure: it uses no crate of ours: take a value or a trait instead\n"
    );
    assert_eq!(told("gw-plan", Kind::Shipped, &["gw-policy", "serde"]), "");
    assert_eq!(told("gw-plan", Kind::Tests, &["gw-control"]), "");
}

#[test]
fn proxy_and_control_plane_never_name_one_another_or_a_driver() {
    for (name, used) in
        [("gw-proxy", "gw-control"), ("gw-control", "gw-proxy"), ("gw-control", "gw-drivers")]
    {
        assert!(told(name, Kind::Shipped, &[used]).contains("may not use"), "{name} → {used}");
    }
}

#[test]
fn a_pure_crate_does_no_io() {
    for used in ["tokio", "hyper-util", "reqwest", "sqlx", "socket2"] {
        assert!(told("gw-policy", Kind::Shipped, &[used]).contains("is pure"), "{used}");
        assert_eq!(told("gw-proxy", Kind::Shipped, &[used]), "");
    }
    assert_eq!(told("gw-policy", Kind::Shipped, &["aws-lc-rs"]), "");
}

#[test]
fn the_testkit_is_for_tests() {
    assert!(told("gw", Kind::Shipped, &["gw-testkit"]).contains("must not be shipped"));
    assert_eq!(told("gw", Kind::Tests, &["gw-testkit"]), "");
}

#[test]
fn a_new_crate_needs_a_row() {
    assert!(told("gw-extra", Kind::Shipped, &[]).contains("`gw-extra` is not among our crates"));
}

#[test]
fn files_are_short_named_and_have_their_tests_beside_them() {
    let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(700));
    let wrong = |path: &str, text: &str| {
        shape::file(path, text).into_iter().map(|found| found.wrong).collect::<Vec<_>>()
    };
    assert_eq!(wrong("crates/gw/src/a.rs", &long), ["has 701 lines, more than 700"]);
    assert_eq!(wrong("crates/gw/src/a/tests.rs", &long), [""; 0]);
    assert_eq!(wrong("crates/gw/src/a.rs", "fn f() {}\n"), ["does not say what it is"]);
    assert_eq!(
        wrong("crates/gw/src/a.rs", "//! A.\n#[cfg(test)]\nmod tests {\n}\n"),
        ["tests stand in the file"]
    );
    let paths = ["crates/gw/src/mod.rs", "crates/gw/src/util.rs", "crates/gw/tests/more.rs"];
    let found = shape::names(&paths.map(str::to_owned));
    let told: Vec<_> = found.into_iter().map(|found| found.wrong).collect();
    assert_eq!(
        told,
        ["is a `mod.rs`", "`util` says nothing", "would be linked as a program of its own"]
    );
}

#[test]
fn unfinished_work_and_places_of_one_machine_are_found() {
    let found = |path: &str, line: &str| words::file(path, line).len();
    assert_eq!(found("a.rs", concat!("    to", "do!()")), 1);
    assert_eq!(found("a.rs", concat!("// FIX", "ME: later")), 1);
    assert_eq!(found("a.md", concat!("the word TO", "DO in prose")), 0);
    assert_eq!(found("a.rs", concat!("let TO", "DOS = 1;")), 0);
    assert_eq!(found("a.md", concat!("see /ro", "ot/x")), 1);
    assert_eq!(found("a.md", concat!("see app/wo", "rk/x and $HOME/wo", "rk/x")), 0);
    assert_eq!(found("package-lock.json", concat!("https://registry.npm", "js.org/a")), 1);
}

#[test]
fn links_lead_somewhere() {
    let paths = ["README.md", "docs/a.md", "docs/decisions/0001.md"].map(str::to_owned);
    let wrong = |path: &str, text: &str| {
        links::file(path, text, &paths).into_iter().map(|found| found.wrong).collect::<Vec<_>>()
    };
    let good = "[a](docs/a.md#x) [b](docs/decisions/) [c](https://example.org) [d](#here)";
    assert_eq!(wrong("README.md", good), [""; 0]);
    assert_eq!(wrong("docs/a.md", "[up](../README.md) [near](decisions/0001.md)"), [""; 0]);
    assert_eq!(wrong("docs/a.md", "[gone](b.md)"), ["links to `b.md`, which does not exist"]);
}
