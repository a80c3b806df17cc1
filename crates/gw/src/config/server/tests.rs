use super::*;

const WHOLE: &str = r#"
listen = "127.0.0.1:7070"
address = "https://gatewright.example.com"
workspace = "WORKSPACE"
login = "operators"

[bitbucket]
repository = "acme/apis"
repositoryUuid = "{7c9e6679-7425-40de-944b-e07fc1f90ae7}"
workspaceUuid = "{1b4e28ba-2fa1-41d2-883f-0016d3cca427}"
email = "gatewright@example.com"
token = "bitbucket-token"
webhookSecrets = ["bitbucket-webhook"]

[secrets]
files = "secrets"

[identities.operators]
issuer = "https://login.example.com"
audiences = ["https://gatewright.example.com"]

[[owners]]
identity = "operators"
subject = "00u1"
"#;

fn read(text: &str) -> Result<ServerFile, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gatewright.toml");
    let id = WorkspaceId::from_random([7; 16]);
    fs::write(&path, text.replace("WORKSPACE", id.as_str())).unwrap();
    ServerFile::read(&path).map_err(|failure| {
        failure.notes.iter().fold(failure.message.clone(), |text, note| {
            let note = note.replace(&folder.path().display().to_string(), "");
            format!("{text} ({note})")
        })
    })
}

#[test]
fn whole_settings_say_whom_to_serve_and_whom_to_believe() {
    let file = read(WHOLE).unwrap();
    assert_eq!(file.owners.len(), 1);
    assert_eq!(file.owners[0].at.line, 22);
    assert_eq!(file.bitbucket.poll, POLL);
    assert_eq!(file.bitbucket.url.as_str(), "https://bitbucket.org/");
    assert!(matches!(file.bitbucket.credential, Credential::ApiToken { .. }));
    assert!(matches!(file.secrets, SecretsFrom::Files(_)));
    assert_eq!(file.application, None);
}

#[test]
fn people_sign_in_to_the_application_that_is_named() {
    let device = "\n[identities.operators.device]\nclientId = \"tool\"\nresource = \"https://r\"\n";
    let application = read(&format!("{WHOLE}{device}")).unwrap().application.unwrap();
    assert_eq!(application.client_id, "tool");
    assert_eq!(application.scope, SCOPE);
    assert_eq!(application.resource.as_deref(), Some("https://r"));
}

#[test]
fn what_is_wrong_is_named() {
    for (from, to, told) in [
        ("listen = \"127.0.0.1:7070\"\n", "", "`listen` is missing (/gatewright.toml)"),
        (
            "127.0.0.1:7070",
            "0.0.0.0:7070",
            "`listen` is no address of this machine alone (/gatewright.toml:2)",
        ),
        (
            "https://gatewright.example.com\"\nw",
            "here\"\nw",
            "`address` is no URL (/gatewright.toml:3)",
        ),
        (
            "subject = \"00u1\"",
            "",
            "an owner has `subject`, or `claim` and `value` (/gatewright.toml:22)",
        ),
        (
            "identity = \"operators\"",
            "identity = \"others\"",
            "an owner is named by `others`, which `identities` does not have (/gatewright.toml:22)",
        ),
        (
            "{7c9e6679",
            "7c9e6679",
            "`bitbucket.repositoryUuid` is no UUID in braces (/gatewright.toml:9)",
        ),
        (
            "login = \"operators\"",
            "login = \"x\"",
            "`login` names `x`, which `identities` does not have (/gatewright.toml:5)",
        ),
        (
            "email = ",
            "consumer = \"key\"\nemail = ",
            "`bitbucket` has both `email` and `consumer` (/gatewright.toml:11)",
        ),
        (
            "\n[secrets]\nfiles",
            "\n[secrets]\nvariables = \"GW_\"\nfiles",
            "`secrets` has `files` or `variables` (/gatewright.toml:15)",
        ),
    ] {
        assert!(WHOLE.contains(from), "{from}");
        assert_eq!(read(&WHOLE.replacen(from, to, 1)).unwrap_err(), told);
    }
    let elsewhere = WHOLE.replace("login = \"operators\"\n", "");
    let device = "\n[identities.operators.device]\nclientId = \"tool\"\n";
    assert_eq!(
        read(&format!("{elsewhere}{device}")).unwrap_err(),
        "`identities.operators` has `device`, and is not the `login` (/gatewright.toml:25)"
    );
    let unknown = read(&WHOLE.replace("email =", "mail =")).unwrap_err();
    assert!(unknown.contains("unknown field `mail`") && unknown.contains(":11"), "{unknown}");
}

#[test]
fn what_could_never_work_is_refused_before_it_is_tried() {
    for (from, to, told) in [
        (
            "\"acme/apis\"",
            "\"apis\"",
            "`bitbucket.repository` is no WORKSPACE/REPOSITORY (/gatewright.toml:8)",
        ),
        (
            "audiences = [\"https://gatewright.example.com\"]",
            "audiences = []",
            "`identities.operators.audiences` names nobody, so no token is meant for this server (/gatewright.toml:20)",
        ),
        (
            "issuer = \"https",
            "issuer = \"http",
            "`identities.operators.issuer` is neither https nor of this machine (/gatewright.toml:19)",
        ),
        (
            "\n[secrets]\n",
            "\n[credentials.other]\nowner = \"platform\"\n[secrets]\n",
            "`credentials.other` is about a secret that nothing here names (/gatewright.toml:15)",
        ),
    ] {
        assert!(WHOLE.contains(from), "{from}");
        assert_eq!(read(&WHOLE.replacen(from, to, 1)).unwrap_err(), told);
    }
}

#[test]
fn beyond_this_machine_it_listens_with_a_certificate_only() {
    let beyond = WHOLE.replace("127.0.0.1:7070", "0.0.0.0:7070");
    let secured = format!("{beyond}\n[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n");
    assert!(read(&secured).unwrap().tls.is_some());
    assert!(read(&beyond).is_err());
}

#[test]
fn every_secret_that_is_named_is_known_with_its_owner() {
    let more = "\n[notify.platform]\nurl = \"https://hooks.example.com\"\nsecrets = [\"hooks\"]\n\
                \n[credentials.hooks]\nowner = \"platform\"\nexpires = 2027-03-01\n";
    let file = read(&format!("{WHOLE}{more}")).unwrap();
    let known = file.credentials.iter().map(|it| {
        let owner = it.owner.as_deref().unwrap_or("nobody");
        let ends = it.expires.map(|day| day.to_string()).unwrap_or_default();
        format!("{} | {} | {owner} | {ends}", it.name, it.purpose)
    });
    assert_eq!(
        known.collect::<Vec<_>>(),
        [
            "bitbucket-token | the Git host, an API token | gatewright@example.com | ",
            "bitbucket-webhook | proves webhooks of the Git host | nobody | ",
            "hooks | signs what `platform` is told | platform | 2027-03-01",
        ]
    );
    let variables = WHOLE.replace("files = \"secrets\"", "variables = \"GW_\"");
    assert_eq!(read(&variables).unwrap().credentials[0].source, "variable GW_BITBUCKET_TOKEN");
}
