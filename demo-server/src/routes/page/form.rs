//! The page's form for any item, for browsers without scripts.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use session_actix::{Error, Session};

use crate::routes::{browser::redirect_to_page, item::into_item};

#[derive(Deserialize)]
pub(super) struct Item {
    key: String,
    value: String,
}

/// Stores one item and redirects to the page.
pub(super) async fn item(
    session: Session,
    web::Form(item): web::Form<Item>,
) -> Result<HttpResponse, Error> {
    session.set(&item.key, into_item(item.value)).await?;
    Ok(redirect_to_page())
}
