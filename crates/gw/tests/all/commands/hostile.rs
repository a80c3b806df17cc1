//! Folders that want to do harm, saved under a running `gatewright dev`.

use std::cell::Cell;

use gw_testkit::attack::folder::{Attack, Bench, attack};

use super::machine::Machine;

/// What lies in the environment of the process, and what in a file beside the declarations.
const IN_ENVIRONMENT: &str = "canary-of-the-environment-6b1f";
const IN_FILE: &str = "canary-of-a-file-90c2";

const DECLARATIONS: &str = "shop/gatewright.yaml";
const OPENAPI: &str = "shop/openapi.yaml";

/// Each line nine times the line before: nine levels are 3 * 10^8 values.
fn laugh_bomb() -> String {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (name, before) in "bcdefghi".chars().zip("abcdefgh".chars()) {
        let aliases = vec![format!("*{before}"); 9].join(", ");
        bomb.push_str(&format!("{name}: &{name} [{aliases}]\n"));
    }
    bomb
}

/// Shows R10: holds
#[test]
fn yaml_that_means_more_than_it_says_is_refused_and_changes_nothing() {
    let machine = Machine::with_shop();
    machine.folder.write("shop/canary.txt", IN_FILE);
    let dev = machine.dev("state", ("CANARY", IN_ENVIRONMENT));
    let (declarations, openapi) = (machine.folder.read(DECLARATIONS), machine.folder.read(OPENAPI));
    let mended = Cell::new(100);
    let mend = |file: &str| {
        mended.set(mended.get() + 1);
        let text = match file {
            DECLARATIONS => declarations.replace("100/1m", &format!("{}/1m", mended.get())),
            _ => openapi.replace("/orders/{id}", &format!("/orders/v{}/{{id}}", mended.get())),
        };
        machine.folder.replace(file, text.as_bytes());
    };
    let bench = Bench {
        workspace: &machine.folder,
        target: &machine.folder.path("state/targets/dev/default"),
        written: vec![machine.folder.path("state"), machine.folder.path("home")],
        read: &|| dev.read(),
        mend: &mend,
    };
    let bomb = laugh_bomb();
    let documents = "---\na: 1\n".repeat(1_001);
    let values = format!("---\na: [{}]\n", "1,".repeat(100_000));
    let deep = format!("---\na: {}{}\n", "[".repeat(100), "]".repeat(100));
    let more: [(&str, &str, &[u8], &str); 14] = [
        ("a bomb", DECLARATIONS, bomb.as_bytes(), "GW1003"),
        ("a bomb", OPENAPI, bomb.as_bytes(), "GW1003"),
        ("too many documents", DECLARATIONS, documents.as_bytes(), "GW1003"),
        ("two documents", OPENAPI, b"---\na: 1\n", "GW1003"),
        ("too many values", DECLARATIONS, values.as_bytes(), "GW1003"),
        ("too deep", DECLARATIONS, deep.as_bytes(), "GW1003"),
        ("a merge key", DECLARATIONS, b"---\na: &a { b: 1 }\nc: { <<: *a }\n", "GW1005"),
        ("an endless alias", DECLARATIONS, b"---\na: &a [*a]\n", "GW1008"),
        ("a tag that reads", DECLARATIONS, b"---\na: !include canary.txt\n", "GW1006"),
        ("a tag that asks", OPENAPI, b"x-a: !env CANARY\n", "GW1006"),
        ("a tag that runs", DECLARATIONS, b"---\na: !!python/name:os.abort\n", "GW1006"),
        ("a key twice", DECLARATIONS, b"spec: {}\n", "GW1004"),
        ("not UTF-8", DECLARATIONS, b"# \xff\n", "GW1001"),
        ("UTF-16", OPENAPI, b"\xff\xfea\0:\0", "GW1001"),
    ];
    for (name, file, more, code) in more {
        let good = if file == DECLARATIONS { &declarations } else { &openapi };
        let bytes = [good.as_bytes(), more].concat();
        let secrets = &[IN_ENVIRONMENT, IN_FILE];
        attack(&bench, &Attack { name, file, bytes: &bytes, code, secrets });
    }
}
