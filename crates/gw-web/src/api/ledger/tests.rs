use super::is_public;

#[test]
fn only_what_auditors_need_is_public() {
    for path in [
        "checkpoint",
        "checkpoints/1893",
        "tile/0/000",
        "tile/0/x001/234",
        "tile/0/x001/234.p/17",
        "tile/entries/000.p/5",
    ] {
        assert!(is_public(path), "{path}");
    }
    for path in [
        "",
        "lock",
        "checkpoint/",
        "checkpoints",
        "checkpoints/../lock",
        "personal/0a1b",
        "tile",
        "tile/",
        "tile/../personal/0a1b",
        "tile/0/../../../state.db",
        "tile/0//000",
        "tile/0/000.new",
        "tile/entries/..",
        "/etc/passwd",
        "tile/0/\u{0}",
    ] {
        assert!(!is_public(path), "{path:?}");
    }
}
