//! `docs/ITEMS.md`: items that an older release has stored.

use serde::{Deserialize, Serialize};
use session_actix::{Error, Manager, MemoryStorage, Result, Session};

#[derive(Serialize, Deserialize)]
struct Settings {
    theme: String,
    // New in release 2; sessions that release 1 has stored lack them.
    #[serde(default = "english")]
    language: String,
    newsletter: Option<bool>,
}

fn english() -> String {
    "en".to_owned()
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
enum Cart {
    #[serde(rename = "1")]
    ArticlesOnly { articles: Vec<String> },
    #[serde(rename = "2")]
    WithQuantities { articles: Vec<(String, u32)> },
}

impl Cart {
    fn articles(self) -> Vec<(String, u32)> {
        match self {
            Self::ArticlesOnly { articles } => {
                articles.into_iter().map(|article| (article, 1)).collect()
            }
            Self::WithQuantities { articles } => articles,
        }
    }
}

/// Reads the settings; drops those of an older form.
async fn settings(session: &Session) -> Result<Option<Settings>> {
    match session.get("settings").await {
        Err(Error::Decode { .. }) => {
            session.remove("settings").await?;
            Ok(None)
        }
        settings => settings,
    }
}

#[actix_web::test]
async fn items_of_an_older_release_are_read() {
    let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
    let session = Session::from(manager.open(None));

    session.set("settings", serde_json::json!({"theme": "dark"})).await.unwrap();
    let settings = session.get::<Settings>("settings").await.unwrap().unwrap();
    assert_eq!((&*settings.theme, &*settings.language), ("dark", "en"));
    assert_eq!(settings.newsletter, None);

    let old = serde_json::json!({"version": "1", "articles": ["apple"]});
    session.set("cart", old).await.unwrap();
    let articles = session.get::<Cart>("cart").await.unwrap().unwrap().articles();
    assert_eq!(articles, [("apple".to_owned(), 1)]);
    session.set("cart", Cart::WithQuantities { articles }).await.unwrap();
    let cart = session.get::<Cart>("cart").await.unwrap().unwrap();
    assert_eq!(cart.articles(), [("apple".to_owned(), 1)]);
}

#[actix_web::test]
async fn settings_that_cannot_be_read_are_dropped() {
    let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
    let session = Session::from(manager.open(None));
    session.set("settings", "dark").await.unwrap();
    session.set("user_id", "bob").await.unwrap();

    assert!(settings(&session).await.unwrap().is_none());
    assert!(!session.contains("settings").await.unwrap());
    assert!(session.contains("user_id").await.unwrap());
}
