use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn given(lines: &[&str]) -> (HeaderMap, Trace) {
    let mut headers = HeaderMap::new();
    headers.insert(TRACESTATE, HeaderValue::from_static("a=b"));
    for line in lines {
        headers.append(TRACEPARENT, HeaderValue::from_str(line).expect("a value"));
    }
    let trace = Trace::of(&mut headers, &mut Noise::begin().expect("chance"));
    (headers, trace)
}

#[test]
fn a_trace_goes_on_with_a_span_of_its_own() {
    for (line, flags) in [
        (format!("00-{TRACE}-b7ad6b7169203331-01"), "01"),
        (format!("00-{TRACE}-b7ad6b7169203331-ff"), "01"),
        (format!("00-{TRACE}-b7ad6b7169203331-02"), "00"),
        (format!("42-{TRACE}-b7ad6b7169203331-01-more"), "01"),
    ] {
        let (headers, trace) = given(&[&line]);
        let sent = trace.header().expect("a header");
        let sent = sent.to_str().expect("text");
        assert!(sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with(flags), "{sent}");
        assert!(!sent.contains("b7ad6b7169203331"), "{sent}");
        assert!(headers.contains_key(TRACESTATE));
    }
}

#[test]
fn a_trace_that_is_not_well_formed_begins_anew() {
    let zero = "0".repeat(32);
    for line in [
        "",
        "00",
        &format!("00-{TRACE}-b7ad6b7169203331"),
        &format!("00-{TRACE}-b7ad6b7169203331-01-more"),
        &format!("ff-{TRACE}-b7ad6b7169203331-01"),
        &format!("00-{zero}-b7ad6b7169203331-01"),
        &format!("00-{TRACE}-0000000000000000-01"),
        &format!("00-{}-b7ad6b7169203331-01", TRACE.to_uppercase()),
        &format!("00-+{}-b7ad6b7169203331-01", TRACE.trim_start_matches('0')),
    ] {
        let (headers, trace) = given(&[line]);
        assert_ne!(format!("{:032x}", trace.trace_id), TRACE, "{line}");
        assert_ne!(trace.trace_id, 0, "{line}");
        assert!(!headers.contains_key(TRACESTATE), "{line}");
    }
    let line = format!("00-{TRACE}-b7ad6b7169203331-01");
    let (_, trace) = given(&[&line, &line]);
    assert_ne!(format!("{:032x}", trace.trace_id), TRACE, "two of them say nothing");
}
