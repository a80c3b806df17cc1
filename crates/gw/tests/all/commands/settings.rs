//! Settings of a server that are wrong: it does not start, and says where.

use std::fs;

use super::machine::Machine;

const SETTINGS: &str = r#"listen = "127.0.0.1:0"
address = "https://gatewright.example.com"
workspace = "WORKSPACE"

[bitbucket]
repository = "acme/apis"
repositoryUuid = "{7c9e6679-7425-40de-944b-e07fc1f90ae7}"
workspaceUuid = "{1b4e28ba-2fa1-41d2-883f-0016d3cca427}"
token = "bitbucket-token"
"#;

#[test]
fn a_server_with_wrong_settings_does_not_start_and_names_the_line() {
    let machine = Machine::with_shop();
    let id = fs::read_to_string(machine.folder.path("shop/.gatewright/id")).unwrap();
    let whole = SETTINGS.replace("WORKSPACE", id.trim());
    let tls = format!("{whole}\n[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n");
    let path = machine.folder.path("shop/gatewright.toml");
    for (text, place, words) in [
        (whole.replace("token =", "tokens ="), ":9", "unknown field `tokens`"),
        (whole.replace("127.0.0.1:0", "0.0.0.0:0"), ":1", "`[tls]`"),
        (whole.replace("{1b4e", "1b4e"), ":8", "`bitbucket.workspaceUuid` is no UUID in braces"),
        (whole.replace("listen =", "listen"), ":1", "expected"),
        (tls, "cert.pem", "cannot read"),
    ] {
        fs::write(&path, &text).unwrap();
        let (told, code) = machine.tells(&["serve", "--config", "gatewright.toml"]);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains(place) && told.contains(words), "{told}\n{text}");
    }
    // Nothing was begun because of it.
    assert!(!machine.has_state());
}
