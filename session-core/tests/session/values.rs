//! Values that JSON cannot express, `null`, and items without a type of their own.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use session_core::{Changes, Error, SessionId, SetOptions};

use super::{TTL, close, is_whole, managers};

#[tokio::test]
async fn a_number_that_json_cannot_express_is_refused() {
    for (manager, _) in managers() {
        let session = manager.open(None);
        for number in [f64::NAN, f64::INFINITY] {
            assert!(matches!(session.set("price", number).await, Err(Error::Encode(_))));
            let nested = BTreeMap::from([("prices", [1.0, number])]);
            assert!(matches!(session.set_map(nested).await, Err(Error::Encode(_))));
        }
        session.set("price", None::<f64>).await.unwrap();
        close(&session).await;
    }
}

#[tokio::test]
async fn a_default_takes_the_place_of_null() {
    for (manager, _) in managers() {
        let session = manager.open(None);
        session.set("theme", None::<String>).await.unwrap();
        assert_eq!(session.get_or("theme", "light".to_owned()).await.unwrap(), "light");
        session.save().await.unwrap();
        assert_eq!(session.get_or("theme", "light".to_owned()).await.unwrap(), "light");
        assert!(session.contains("theme").await.unwrap());
    }
}

/// Fields of a hash as people and GoFrame write them.
#[tokio::test]
async fn an_item_without_a_type_of_its_own_is_read_as_the_requested_type() {
    for (manager, _) in managers() {
        let id = SessionId::random();
        let mut changes = Changes::new();
        for (key, text) in [("phone", "13800138000"), ("admin", "1"), ("guest", "0"), ("n", "2.50")]
        {
            changes.set(key, RawValue::from_string(text.to_owned()).unwrap());
        }
        let create = SetOptions::create(TTL);
        manager.storage().set_session(&id, &changes, create).await.unwrap();
        let session = manager.open(Some(id));
        let phone = session.get::<String>("phone").await;
        let admin = session.get::<bool>("admin").await;
        let guest = session.get::<bool>("guest").await;
        if is_whole(&manager) {
            // A storage of whole sessions keeps each item's type.
            assert!(matches!(phone, Err(Error::Decode { .. })));
            assert!(matches!(admin, Err(Error::Decode { .. })));
        } else {
            assert_eq!(phone.unwrap().as_deref(), Some("13800138000"));
            assert_eq!((admin.unwrap(), guest.unwrap()), (Some(true), Some(false)));
            assert_eq!(session.get::<String>("n").await.unwrap().as_deref(), Some("2.50"));
        }
        assert_eq!(session.get::<u64>("phone").await.unwrap(), Some(13_800_138_000));
        assert!(matches!(session.get::<bool>("phone").await, Err(Error::Decode { .. })));
        assert!(matches!(session.get::<Vec<u8>>("phone").await, Err(Error::Decode { .. })));
    }
}
