use super::*;

fn package(name: &str, version: &str, license: &str) -> Built {
    Built { name: name.to_owned(), version: version.to_owned(), license: license.to_owned() }
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    for allowed in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
        "ISC AND (Apache-2.0 OR ISC)",
    ] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT", "", "MIT MIT", "nothing"] {
        assert!(!is_allowed(refused), "{refused}");
    }
}

#[test]
fn a_second_stack_is_found() {
    let told = packages(&[
        package("hyper", "1.12.0", "MIT"),
        package("hyper", "0.14.32", "MIT"),
        package("ring", "0.17.14", "Apache-2.0 AND ISC"),
        package("syn", "1.0.0", "MIT"),
        package("syn", "2.0.0", "MIT"),
    ]);
    let told: Vec<_> =
        told.iter().map(|found| format!("{}: {}", found.place, found.wrong)).collect();
    assert_eq!(told, ["ring: may not be built in", "hyper: is built in as 1.12.0 and 0.14.32"]);
}

#[test]
fn a_package_of_unknown_origin_is_found() {
    let lock = format!(
        "[[package]]\nname = \"a\"\nsource = \"{CRATES_IO}\"\n\n\
         [[package]]\nname = \"b\"\nsource = \"git+https://example.org/b#1\"\n"
    );
    let [found] = &sources(&lock)[..] else { panic!("one finding") };
    assert_eq!(found.place, "git+https://example.org/b#1");
}

#[test]
fn a_licence_that_is_not_on_the_list_is_found() {
    let [found] = &packages(&[package("copyleft", "1.0.0", "AGPL-3.0")])[..] else {
        panic!("one finding")
    };
    assert_eq!(found.wrong, "is licensed under `AGPL-3.0`");
}
