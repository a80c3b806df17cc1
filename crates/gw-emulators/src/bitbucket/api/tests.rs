use std::collections::BTreeSet;

use super::{super::contract::Contract, *};

#[test]
fn every_operation_of_the_contract_has_one_route() {
    let contract = Contract::read().expect("the table is one");
    let operations = contract.operations();
    let found: BTreeSet<_> = operations
        .iter()
        .map(|it| routes::find(it).map(std::ptr::from_ref).expect(&it.path))
        .collect();
    assert_eq!(found.len(), operations.len());
    assert_eq!(routes::count(), operations.len());
}
