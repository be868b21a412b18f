//! Messages that are shown once (flash messages), with POST, redirect and GET.
//!
//! `cargo run -p session-actix --example flash`, then open <http://localhost:8080> and send the
//! form. The message is gone when this page or another tab is loaded again.

use std::{env, error::Error};

use actix_web::web::{self, Form, Html, Redirect};
use actix_web::{App, HttpServer, Responder, Result};
use serde::Deserialize;
use session_actix::{Manager, MemoryStorage, Session, SessionMiddleware};

const FORM: &str = r#"<form method="post" action="/name">
<input name="name" placeholder="your name" autofocus>
<button>Save</button>
</form>
"#;

#[derive(Deserialize)]
struct Profile {
    name: String,
}

/// Adds a message to the next page that the visitor sees.
async fn flash(session: &Session, message: &str) -> Result<()> {
    // A list, because a second message before that page must not replace the first.
    let add = |mut messages: Vec<String>| {
        messages.push(message.to_owned());
        messages
    };
    session.update_or("flash", Vec::new(), add).await?;
    Ok(())
}

/// Returns the messages that no page has shown yet, as HTML.
async fn messages(session: &Session) -> Result<String> {
    // Reads and removes in one step, so of several tabs that load at once only one gets a message.
    let messages: Vec<String> = session.take("flash").await?.unwrap_or_default();
    let paragraph = |message: &String| format!("<p role=\"status\">{}</p>\n", escape(message));
    Ok(messages.iter().map(paragraph).collect())
}

/// Makes a text safe in elements and in quoted attributes.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

async fn home(session: Session) -> Result<impl Responder> {
    let page = Html::new(messages(&session).await? + FORM);
    Ok(page.customize().insert_header(("cache-control", "no-store")))
}

async fn save(session: Session, profile: Form<Profile>) -> Result<Redirect> {
    // A real application stores the name here, and checks a token as the example `csrf` does.
    flash(&session, &format!("Your name is {} now.", profile.name)).await?;
    // A redirect, so that reloading the page does not send the form again.
    Ok(Redirect::to("/").see_other())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    let manager = Manager::builder(MemoryStorage::new()).build()?;
    let sessions = SessionMiddleware::builder(manager).build()?;
    let app = move || {
        App::new()
            .route("/", web::get().to(home))
            .route("/name", web::post().to(save))
            .wrap(sessions.clone())
    };
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}
