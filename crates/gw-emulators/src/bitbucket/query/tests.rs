use serde_json::json;

use super::*;

#[test]
fn a_query_admits_what_it_says() {
    let value = json!({
        "id": 7,
        "title": "Add Orders",
        "state": "OPEN",
        "draft": false,
        "permission": "write",
        "updated_on": "2026-01-02T00:00:00.000000+00:00",
        "merge_commit": null,
        "source": { "branch": { "name": "feature/\"x\"" } },
        "reviewers": [{ "nickname": "ann" }, { "nickname": "bob" }],
    });
    let rows = [
        (r#"state = "OPEN""#, true),
        (r#"state="OPEN""#, true),
        (r#"state != "OPEN""#, false),
        (r#"title ~ "orders""#, true),
        (r#"title !~ "orders""#, false),
        ("id > 6 AND id <= 7", true),
        ("id > 7 OR id = 7", true),
        ("id > 7 or draft = false and id < 3", false),
        (r#"permission > "read""#, true),
        (r#"permission >= "admin""#, false),
        ("updated_on > 2026-01-01", true),
        ("updated_on > 2026-01-03T00:00:00", false),
        ("merge_commit = null", true),
        ("nothing.at.all = null", true),
        (r#"source.branch.name = "feature/\"x\"""#, true),
        (r#"reviewers.nickname = "bob""#, true),
        (r#"reviewers.nickname != "bob""#, false),
        (r#"reviewers.nickname = "eve""#, false),
    ];
    for (query, admits) in rows {
        assert_eq!(Query::parse(query).expect(query).admits(&value), admits, "{query}");
    }
}

#[test]
fn what_is_no_query_is_refused() {
    for query in [
        "",
        "state",
        "state =",
        "= 1",
        "state = OPEN",
        "(id = 1)",
        "id = 1 id = 2",
        "a = \"",
        "id = 1 AND",
    ] {
        assert!(Query::parse(query).is_err(), "{query}");
    }
}
