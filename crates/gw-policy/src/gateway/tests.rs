use super::*;

#[test]
fn a_gateway_that_listens_elsewhere_is_noticed_unless_it_was_told_to() {
    let status = |pinned| Status {
        workspace_id: WorkspaceId::parse("abcdefghijklmnopqrstuvwxyz").unwrap(),
        environment: EnvironmentName::parse("dev").unwrap(),
        target: TargetName::parse("default").unwrap(),
        listen: "127.0.0.1:8080".parse().unwrap(),
        pinned,
        serving: None,
        refused: None,
        probe: "word".to_owned(),
        unready: vec![],
    };
    let rows = [
        (Some("127.0.0.1:8081"), Some("127.0.0.1:8081")),
        (Some("0.0.0.0:8080"), Some("0.0.0.0:8080")),
        (Some("127.0.0.1:8080"), None),
        // Any port was asked for.
        (Some("127.0.0.1:0"), None),
        // It is where a gateway listens by default.
        (None, None),
    ];
    for (declared, awaited) in rows {
        let told = status(false).awaits(declared).map(|address| address.to_string());
        assert_eq!(told.as_deref(), awaited, "{declared:?}");
        assert_eq!(status(true).awaits(declared), None, "{declared:?}");
    }
}
