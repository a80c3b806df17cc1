use std::os::unix::fs::symlink;

use super::*;

fn workspace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("apis/orders")).unwrap();
    fs::create_dir_all(folder.path().join(".git")).unwrap();
    fs::write(folder.path().join(".git/config"), "x").unwrap();
    fs::write(folder.path().join("gatewright.yaml"), "a: 1").unwrap();
    fs::write(folder.path().join("apis/orders/api.yaml"), "b: 2").unwrap();
    folder
}

#[test]
fn lists_in_order_and_leaves_out_what_is_hidden() {
    let folder = workspace();
    let files = Folder::open(folder.path()).unwrap();
    assert_eq!(files.paths(), ["apis/orders/api.yaml", "gatewright.yaml"]);
    assert!(files.read(".git/config").is_err());
    assert!(files.read("../secret").is_err());
}

#[test]
fn remembers_what_was_read_at_the_time_it_was_read() {
    let folder = workspace();
    let files = Folder::open(folder.path()).unwrap();
    assert_eq!(files.read("gatewright.yaml").unwrap(), b"a: 1");
    fs::write(folder.path().join("gatewright.yaml"), "changed").unwrap();
    assert_eq!(files.read("gatewright.yaml").unwrap(), b"a: 1");
    assert_eq!(files.was_read().keys().collect::<Vec<_>>(), ["gatewright.yaml"]);
}

#[test]
fn a_link_is_followed_inside_and_refused_outside() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "canary").unwrap();
    let folder = workspace();
    symlink(outside.path().join("secret"), folder.path().join("out.yaml")).unwrap();
    symlink(outside.path(), folder.path().join("folder")).unwrap();
    symlink("apis/orders/api.yaml", folder.path().join("in.yaml")).unwrap();
    symlink("../gatewright.yaml", folder.path().join("apis/up.yaml")).unwrap();
    let files = Folder::open(folder.path()).unwrap();
    assert_eq!(files.read("in.yaml").unwrap(), b"b: 2");
    assert_eq!(files.read("apis/up.yaml").unwrap(), b"a: 1");
    let refused = files.read("out.yaml").unwrap_err();
    assert_eq!(refused.to_string(), "it is a link that leads out of the workspace");
    assert!(files.read("folder/secret").is_err());
    assert!(files.read("folder").is_err());
}

#[test]
fn a_folder_that_becomes_a_link_leads_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("orders")).unwrap();
    fs::write(outside.path().join("orders/api.yaml"), "canary").unwrap();
    let folder = workspace();
    let files = Folder::open(folder.path()).unwrap();
    fs::rename(folder.path().join("apis"), folder.path().join("former")).unwrap();
    symlink(outside.path(), folder.path().join("apis")).unwrap();
    let refused = files.read("apis/orders/api.yaml").unwrap_err();
    assert_eq!(refused.to_string(), "it is a link that leads out of the workspace");
}
