use time::macros::datetime;

use super::*;

const SERVER: &str = "https://gatewright.example.com";

fn sign_ins(folder: &tempfile::TempDir) -> SignIns {
    SignIns { folder: folder.path().join("state").join(FOLDER) }
}

fn signed_in() -> SignedIn {
    SignedIn {
        server: SERVER.to_owned(),
        identity: "operators".to_owned(),
        issuer: "https://login.example.com".to_owned(),
        client_id: "gatewright".to_owned(),
        resource: None,
        access_token: Redacted::new("canary".to_owned()),
        refresh_token: None,
        expires_at: Some(datetime!(2026-01-01 00:10 UTC)),
    }
}

#[test]
fn only_its_owner_can_read_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let sign_ins = sign_ins(&folder);
    assert!(sign_ins.read(SERVER).unwrap().is_none());
    sign_ins.keep(&signed_in()).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = sign_ins.path(SERVER);
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let kept = sign_ins.read(SERVER).unwrap().unwrap();
    assert_eq!(kept.access_token.reveal(), "canary");
    assert!(!format!("{kept:?}").contains("canary"));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = sign_ins.read(SERVER).unwrap_err();
    assert!(refused.message.contains("others than you may read it"), "{refused}");
    sign_ins.forget(SERVER).unwrap();
    assert!(sign_ins.read(SERVER).unwrap().is_none());
    sign_ins.forget(SERVER).unwrap();
}

#[test]
fn what_is_for_one_server_is_not_shown_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let sign_ins = sign_ins(&folder);
    sign_ins.keep(&signed_in()).unwrap();
    let other = "https://evil.example.com/../../gatewright.example.com";
    assert!(sign_ins.path(other).parent() == sign_ins.path(SERVER).parent());
    assert!(sign_ins.read(other).unwrap().is_none());
    fs::copy(sign_ins.path(SERVER), sign_ins.path(other)).unwrap();
    let refused = sign_ins.read(other).unwrap_err();
    assert!(refused.message.contains("not a sign-in for this server"), "{refused}");
}

#[test]
fn a_sign_in_lasts_until_its_issuer_says_so() {
    let mut signed_in = signed_in();
    let (now, minute) = (datetime!(2026-01-01 00:08 UTC), Duration::minutes(1));
    assert!(signed_in.lasts(now, minute));
    assert!(!signed_in.lasts(now, minute * 2));
    signed_in.expires_at = None;
    assert!(signed_in.lasts(now, Duration::days(365)));
}
