//! Lists in pages. The address of the next page is the only way to it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{query::Query, refusal::Refusal};

/// What an operation lets its pages be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages {
    usual: usize,
    most: usize,
}

/// What nearly every list has.
pub(super) const PAGES: Pages = Pages { usual: 10, most: 100 };
/// Pull requests and what belongs to them come in smaller pages.
pub(super) const SMALL_PAGES: Pages = Pages { usual: 10, most: 50 };
/// Differences come in larger ones.
pub(super) const LARGE_PAGES: Pages = Pages { usual: 500, most: 5000 };

type Queries = [(String, String)];

/// The first value of a query parameter.
pub(super) fn parameter<'a>(queries: &'a Queries, name: &str) -> Option<&'a str> {
    queries.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// One page of the list, filtered and sorted as the request says.
pub(super) fn page(
    address: &str,
    queries: &Queries,
    mut values: Vec<Value>,
    pages: Pages,
) -> Result<Value, Refusal> {
    if let Some(text) = parameter(queries, "q") {
        let query = Query::parse(text)?;
        values.retain(|value| query.admits(value));
    }
    if let Some(sort) = parameter(queries, "sort") {
        sort_by(&mut values, sort);
    }
    let length = match parameter(queries, "pagelen") {
        None => pages.usual,
        Some(text) => {
            let length = text.parse().ok().filter(|length| (1..=pages.most).contains(length));
            length.ok_or_else(|| Refusal::new(400, "Invalid pagelen"))?
        }
    };
    let start = match parameter(queries, "page") {
        None => 0,
        Some(token) => open(token).ok_or_else(|| Refusal::new(400, "Invalid page"))?,
    };
    let size = values.len();
    let values: Vec<_> = values.into_iter().skip(start).take(length).collect();
    let end = start + values.len();
    let mut page = json!({ "pagelen": length, "size": size, "values": values });
    if let Some(page) = page.as_object_mut().filter(|_| end < size) {
        page.insert("next".to_owned(), json!(next(address, queries, end)));
    }
    Ok(page)
}

fn next(address: &str, queries: &Queries, start: usize) -> String {
    let kept = queries.iter().filter(|(name, _)| name != "page");
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(kept)
        .append_pair("page", &seal(start))
        .finish();
    format!("{address}?{query}")
}

/// A place in a list as nobody would write it by hand.
fn seal(start: usize) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("from {start}"))
}

fn open(token: &str) -> Option<usize> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.strip_prefix("from ")?.parse().ok()
}

fn sort_by(values: &mut [Value], sort: &str) {
    let (field, falls) = sort.strip_prefix('-').map_or((sort, false), |field| (field, true));
    let key = |value: &Value| {
        let found = field.split('.').try_fold(value, |value, name| value.get(name));
        // Moments and names are texts; a number sorts as one of twenty digits.
        found.map(|found| match found.as_u64() {
            Some(number) => format!("{number:020}"),
            None => found.as_str().map(str::to_lowercase).unwrap_or_default(),
        })
    };
    values.sort_by_cached_key(key);
    if falls {
        values.reverse();
    }
}
