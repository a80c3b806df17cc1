use super::*;

fn refused(text: &str) -> String {
    let (line, message) = parse(text).unwrap_err();
    format!("{line}: {message}")
}

#[test]
fn what_is_not_a_setting_is_refused_with_its_line() {
    insta::assert_snapshot!(
        refused("[gateway]\nadmin = \"127.0.0.1:9000\"\ntrusted = []\n"),
        @"3: unknown field `trusted`, expected one of `admin`, `publicUrl`, `threads`, `trustedProxies`, `upstreamAuthorities`"
    );
    insta::assert_snapshot!(refused("[tls]\ncertificate = \"a.pem\"\n"), @"1: missing field `key`");
    insta::assert_snapshot!(
        refused("[gateway]\nadmin = \"nowhere\"\n"),
        @"2: invalid socket address syntax"
    );
}

#[test]
fn an_empty_file_says_nothing() {
    assert!(parse("").unwrap().tls.is_none());
}

#[test]
fn settings_come_from_the_state_or_by_name_and_never_from_the_declarations() {
    let (state, workspace) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let admin = |named: Option<&Path>| GatewayFile::read(named, state.path()).unwrap().admin;
    let planted = workspace.path().join(NAME);
    fs::write(&planted, "[gateway]\nadmin = \"127.0.0.1:1\"\n").unwrap();
    assert_eq!(admin(None), None, "a file of the repository was read");
    let told = passed_over(None, workspace.path()).unwrap();
    assert!(told.contains("is not read") && told.contains("--config"), "{told}");
    fs::write(state.path().join(NAME), "[gateway]\nadmin = \"127.0.0.1:2\"\n").unwrap();
    assert_eq!(admin(None), "127.0.0.1:2".parse().ok());
    // Whoever names it has chosen it.
    assert_eq!(admin(Some(&planted)), "127.0.0.1:1".parse().ok());
    assert_eq!(passed_over(Some(&planted), workspace.path()), None);
    assert_eq!(passed_over(None, state.path().parent().unwrap()), None);
}

/// Shows S0.13: holds
#[test]
fn a_pasted_secret_is_refused_with_its_line_and_never_repeated() {
    let state = tempfile::tempdir().unwrap();
    let secret = ["AKIA", "J7Q2M4X9B3N8V5T1"].concat();
    for text in [
        format!("[gateway]\n# {secret}\n"),
        format!("[tls]\ncertificate = \"{secret}\"\nkey = \"key.pem\"\n"),
        format!("[gateway]\n{secret} = 1\n"),
    ] {
        fs::write(state.path().join(NAME), text).unwrap();
        let refused = GatewayFile::read(None, state.path()).unwrap_err();
        assert_eq!(refused.code, Some(Code::Secret));
        assert!(refused.notes[0].ends_with("gatewright.toml:2, not shown"), "{:?}", refused.notes);
        assert!(!format!("{refused:?}").contains(&secret), "{refused:?}");
    }
    let good = "[gateway]\npublicUrl = \"https://api.example.com/orders/v1\"\nthreads = 4\n";
    fs::write(state.path().join(NAME), good).unwrap();
    assert!(GatewayFile::read(None, state.path()).is_ok());
}

#[test]
fn a_pipe_or_a_device_is_refused_and_not_waited_for() {
    let state = tempfile::tempdir().unwrap();
    let pipe = state.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let tls = state.path().join("tls.toml");
    fs::write(&tls, "[tls]\ncertificate = \"pipe\"\nkey = \"pipe\"\n").unwrap();
    for named in [&pipe, Path::new("/dev/zero"), &tls] {
        let refused = GatewayFile::read(Some(named), state.path()).unwrap_err();
        assert!(refused.message.ends_with("it is a pipe or a device, and no file"), "{refused}");
    }
}

/// What the reader of the settings says is told with what helps, and no value is repeated.
#[test]
fn a_slip_in_the_settings_is_told_with_what_is_meant() {
    let told = |text: &str| {
        let (line, message) = parse(text).unwrap_err();
        let (message, help) = in_words(&message, text.lines().nth(line - 1).unwrap());
        format!("{message} | {}", help.unwrap_or_default())
    };
    let near = told("[gateway]\nthread = 2\n");
    assert_eq!(near, "unknown field `thread` | did you mean `threads`?");
    let far = told("[gateway]\nspeed = 2\n");
    assert!(far.starts_with("unknown field `speed` | known here are: admin, publicUrl"), "{far}");
    let bare = told("listen = 127.0.0.1:7075\n");
    assert!(bare.ends_with(" | a text stands in quotes: `listen = \"…\"`"), "{bare}");
}
