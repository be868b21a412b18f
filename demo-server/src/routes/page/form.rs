//! The page's form for any item, as it works without a script.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use session_actix::{Error, Session};

use crate::routes::{people, sessions::as_item};

#[derive(Deserialize)]
pub(super) struct Item {
    key: String,
    value: String,
}

/// Stores one item and leads back to the page.
pub(super) async fn item(
    session: Session,
    web::Form(item): web::Form<Item>,
) -> Result<HttpResponse, Error> {
    session.set(&item.key, as_item(item.value)).await?;
    Ok(people::back_to_page())
}
