use super::*;

fn name(text: &str) -> SecretName {
    SecretName::parse(text).expect("a name")
}

#[tokio::test]
async fn the_name_decides_the_variable() {
    let variables = [("GW_ORDERS_KEY", "one"), ("GW_Other", "two"), ("GW_EMPTY", "")];
    let variables = variables.map(|(key, value)| (key.to_owned(), Redacted::new(value.to_owned())));
    let names = BTreeMap::from([(name("renamed"), "Other".to_owned())]);
    let store = EnvironmentStore::new("GW_", names, BTreeMap::from(variables));
    let read = async |wanted: &str| {
        let secret = store.read(&name(wanted)).await?;
        Ok(String::from_utf8_lossy(secret.value.reveal()).into_owned())
    };
    assert_eq!(read("orders-key").await, Ok("one".to_owned()));
    assert_eq!(read("renamed").await, Ok("two".to_owned()));
    assert_eq!(read("empty").await, Err(SecretRefusal::Empty { name: name("empty") }));
    assert_eq!(read("absent").await, Err(SecretRefusal::Missing { name: name("absent") }));
}

#[test]
fn a_store_does_not_print_values() {
    let variables = BTreeMap::from([("A".to_owned(), Redacted::new("canary".to_owned()))]);
    let store = EnvironmentStore::new("", BTreeMap::new(), variables);
    assert!(!format!("{store:?}").contains("canary"));
}
