//! Any bytes as the path of a request, as a host and as a path template.

use gw_policy::route::{Template, host_name, normalize};

/// A normal form is its own normal form, and holds nothing that two servers read differently.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(normal) = normalize(text) {
        assert_eq!(normalize(&normal).as_deref(), Ok(normal.as_ref()));
        assert!(normal.starts_with('/'));
        let segments: Vec<&str> = normal.split('/').skip(1).collect();
        assert!(!segments.iter().any(|segment| matches!(*segment, "." | "..")));
        let inner = segments.split_last().map(|(_, inner)| inner).unwrap_or_default();
        assert!(!inner.iter().any(|segment| segment.is_empty()), "{normal}");
        assert!(!normal.contains("%2F") && !normal.contains("%5C"), "{normal}");
    }
    let host = host_name(text).into_owned();
    assert!(!host.bytes().any(|byte| byte.is_ascii_uppercase()));
    if let Ok(template) = Template::parse(text) {
        let shown = template.to_string();
        assert!(shown.starts_with('/'), "{shown}");
    }
}
