use super::*;

fn snapshot(text: &str) -> Option<Snapshot> {
    Snapshot::parse(text).unwrap()
}

fn changes(set: &str, removed: &[&str]) -> Changes {
    let mut changes: Changes =
        serde_json::from_str::<BTreeMap<_, _>>(set).unwrap().into_iter().collect();
    removed.iter().for_each(|key| changes.remove(*key));
    changes
}

#[test]
fn changes_are_applied_over_existing_items() {
    let base = snapshot(r#"{"a":1,"c":3,"e":5}"#);
    let after = changes(r#"{"b":2,"c":3.0,"f":6}"#, &["a", "x"]).apply(base.as_ref()).unwrap();
    assert_eq!(after.stored(), r#"{"b":2,"c":3.0,"e":5,"f":6}"#);
    assert_eq!(Snapshot::parse(after.stored()).unwrap().unwrap().item("c"), Some("3.0"));
}

#[test]
fn removing_every_item_leaves_a_session_without_items() {
    let base = snapshot(r#"{"a":1}"#);
    let emptied = changes("{}", &["a"]).apply(base.as_ref()).unwrap();
    assert!(emptied.is_empty());
    assert_eq!(changes(r#"{"b":2}"#, &[]).apply(Some(&emptied)).unwrap().stored(), r#"{"b":2}"#);
    assert_eq!(changes("{}", &["a"]).apply(None), None);
}

#[test]
fn metadata_stays_whatever_happens_to_the_items() {
    let base = snapshot(r#"{"$meta":{"x":1},"a":1}"#);
    let emptied = changes("{}", &["a"]).apply(base.as_ref()).unwrap();
    assert_eq!(emptied.stored(), r#"{"$meta":{"x":1}}"#);
    let after = changes(r#"{"b":2}"#, &[]).apply(Some(&emptied)).unwrap();
    assert_eq!(after.stored(), r#"{"$meta":{"x":1},"b":2}"#);
    let copy = Changes::between(None, &after).apply(None).unwrap();
    assert_eq!(copy, after);
}

#[test]
fn the_key_of_the_metadata_is_no_items() {
    let mut changes = changes(r#"{"$meta":1}"#, &["$meta"]);
    changes.set(META_KEY, RawValue::from_string("1".to_owned()).unwrap());
    assert!(changes.is_empty());
}

#[test]
fn applying_the_difference_of_two_sessions_turns_one_into_the_other() {
    let (old, new) = (snapshot(r#"{"a":1,"b":2}"#), snapshot(r#"{"b":2.0,"c":3}"#).unwrap());
    let changes = Changes::between(old.as_ref(), &new);
    assert_eq!(changes.apply(old.as_ref()), Some(new.clone()));
    assert_eq!(changes.iter().count(), 3);
    assert!(Changes::between(Some(&new), &new).is_empty());
}

#[test]
fn raw_values_are_not_interpreted() {
    for text in ["-0", "2.50", "1E5", "1e400", "18446744073709551616", "[ 1 ]"] {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        assert_eq!(encode(&raw).unwrap().get(), text);
    }
}

#[test]
fn g12_debug_shows_keys_and_no_values() {
    let shown = format!("{:?}", changes(r#"{"name":"secret"}"#, &["gone"]));
    assert_eq!(shown, r#"{"gone": "removed", "name": "set"}"#);
}
