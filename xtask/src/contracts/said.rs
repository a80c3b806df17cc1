//! What the contract says in prose only, with the words that say it.

/// A fact, and the words it rests on.
#[derive(Debug)]
pub(super) struct Said {
    /// Method and path of an operation, or `schema` and its name.
    pub(super) place: (&'static str, &'static str),
    pub(super) words: &'static str,
    pub(super) fact: Fact,
}

#[derive(Debug)]
pub(super) enum Fact {
    /// The operation takes this schema.
    Body(&'static str),
    /// The body has these members, with dots between names.
    Required(&'static [&'static str]),
    /// What the body leaves out stays as it is, so nothing is required.
    Partial,
    /// The member may be of any type.
    AnyValue {
        schema: &'static str,
        member: &'static str,
    },
    MostItems {
        schema: &'static str,
        member: &'static str,
        most: u16,
    },
    /// The schema requires it, and the contract's own examples leave it out.
    Optional {
        schema: &'static str,
        member: &'static str,
    },
}

const PULLS: &str = "/repositories/{workspace}/{repo_slug}/pullrequests";
const HOOKS: &str = "/repositories/{workspace}/{repo_slug}/hooks";
const HOOK: &str = "/repositories/{workspace}/{repo_slug}/hooks/{uid}";
const BRANCHES: &str = "/repositories/{workspace}/{repo_slug}/refs/branches";
const RESTRICTION: &str = "/repositories/{workspace}/{repo_slug}/branch-restrictions/{id}";
const REPORT: &str = "/repositories/{workspace}/{repo_slug}/commit/{commit}/reports/{reportId}";
const ANNOTATIONS: &str =
    "/repositories/{workspace}/{repo_slug}/commit/{commit}/reports/{reportId}/annotations";

pub(super) const SAID: &[Said] = &[
    Said {
        place: ("POST", PULLS),
        words: "The minimum required fields to create a pull request are `title` and `source`, \
                specified by a branch name.",
        fact: Fact::Required(&["title", "source.branch.name"]),
    },
    Said {
        place: ("POST", PULLS),
        words: r#"{ "title": "My Title", "source": { "branch": { "name": "staging" } } }"#,
        fact: Fact::Optional { schema: "object", member: "type" },
    },
    Said {
        place: ("POST", HOOKS),
        words: r#""url": "https://example.com/", "active": true,"#,
        fact: Fact::Body("webhook_subscription"),
    },
    Said {
        place: ("POST", HOOKS),
        words: r#""events": [ "repo:push", "issue:created", "issue:updated" ]"#,
        fact: Fact::Required(&["url", "events"]),
    },
    Said {
        place: ("PUT", HOOK),
        words: "The following properties can be mutated: * `description` * `url` * `secret` * \
                `active` * `events`",
        fact: Fact::Body("webhook_subscription"),
    },
    Said {
        place: ("POST", BRANCHES),
        words: "contains the name of the tag and the target hash",
        fact: Fact::Body("branch"),
    },
    Said {
        place: ("POST", BRANCHES),
        words: r#"{ "name" : "smf/create-feature", "target" : { "hash" : "default", } }"#,
        fact: Fact::Required(&["name", "target.hash"]),
    },
    Said {
        place: ("POST", BRANCHES),
        words: r#""name" : "smf/create-feature""#,
        fact: Fact::Optional { schema: "ref", member: "type" },
    },
    Said {
        place: ("PUT", RESTRICTION),
        words: "Fields not present in the request body are ignored.",
        fact: Fact::Partial,
    },
    Said {
        place: ("PUT", REPORT),
        words: "Number, String or Boolean (not an array or object)",
        fact: Fact::AnyValue { schema: "report_data", member: "value" },
    },
    Said {
        place: ("schema", "report"),
        words: "An array of data fields to display information on the report. Maximum 10.",
        fact: Fact::MostItems { schema: "report", member: "data", most: 10 },
    },
    Said {
        place: ("POST", ANNOTATIONS),
        words: "make sure each annotation has the external_id field set to a unique value",
        fact: Fact::Required(&["external_id"]),
    },
];
