use super::*;

#[test]
fn a_long_key_is_cut_and_stays_its_own() {
    let fits = "k".repeat(40);
    assert_eq!(short_key(&fits), fits);
    let long = "gatewright/prod/orders-of-the-whole-company-and-its-partners";
    let short = short_key(long);
    assert_eq!(short.chars().count(), 40);
    assert!(short.starts_with("gatewright/prod/orders-"), "{short}");
    assert_eq!(short, short_key(long));
    assert_ne!(short, short_key(&format!("{long}!")));
    assert_eq!(short_key(&"ö".repeat(41)).chars().count(), 40);
}

#[test]
fn a_long_text_says_that_it_is_cut() {
    assert_eq!(cut("four", 4), "four");
    assert_eq!(cut("fives", 4), "fiv…");
    assert_eq!(cut("größer", 4), "grö…");
}

fn finding(id: usize, severity: Severity) -> Annotation {
    Annotation {
        id: format!("gatewright-{id:04}"),
        severity,
        path: None,
        line: None,
        summary: String::new(),
        details: None,
    }
}

#[test]
fn the_mildest_findings_are_left_out() {
    let mut findings: Vec<_> = (0..MOST_ANNOTATIONS).map(|id| finding(id, Severity::Low)).collect();
    findings.push(finding(5000, Severity::Critical));
    findings.push(finding(5000, Severity::Low));
    let kept = worst(&findings);
    assert_eq!(kept.len(), MOST_ANNOTATIONS);
    assert_eq!(
        kept.first().map(|it| (it.severity, it.id.as_str())),
        Some((Severity::Critical, "gatewright-5000"))
    );
    assert_eq!(kept.last().map(|it| it.id.as_str()), Some("gatewright-0998"));
}

#[test]
fn a_finding_is_sent_with_what_it_has() {
    let mut full = finding(1, Severity::Medium);
    full.path = Some("apis/orders/api.yaml".to_owned());
    full.line = Some(17);
    full.details = Some("d".repeat(3000));
    let sent = annotation(&full);
    assert_eq!((&sent["line"], &sent["path"]), (&json!(17), &json!("apis/orders/api.yaml")));
    assert_eq!(sent["details"].as_str().map(|it| it.chars().count()), Some(LONGEST_TEXT));
    full.line = Some(0);
    assert!(annotation(&full).get("line").is_none());
    assert!(annotation(&finding(1, Severity::Low)).get("path").is_none());
}
