//! A shopping cart: a type of the application that stores its data in the session.
//!
//! `cargo run -p session-actix --example cart`, then
//! `curl -c jar -b jar -X POST localhost:8080/cart/apple/3`, `…/cart/apple` for one more, and
//! `curl -b jar localhost:8080/cart`.

use std::{collections::BTreeMap, env, error::Error, future::Ready, future::ready};

use actix_web::{App, FromRequest, HttpRequest, HttpServer, Result, dev::Payload, web};
use session_actix::{Manager, MemoryStorage, NoMiddleware, Session, SessionMiddleware};

/// The articles that a visitor wants to buy.
///
/// Each article is a session item of its own, so two tabs that add different articles at the same
/// time lose neither.
struct Cart(Session);

impl Cart {
    async fn put(&self, article: &str, pieces: u32) -> session_actix::Result<()> {
        if pieces == 0 {
            return self.0.remove([format!("cart:{article}")]).await;
        }
        self.0.set(&format!("cart:{article}"), pieces).await
    }

    /// Adds one piece, and returns how many there are: two clicks at the same time are two pieces.
    async fn add(&self, article: &str) -> session_actix::Result<u32> {
        self.0.update_or(&format!("cart:{article}"), 0, |pieces| pieces + 1).await
    }

    async fn articles(&self) -> session_actix::Result<BTreeMap<String, u32>> {
        let Some(items) = self.0.data().await? else { return Ok(BTreeMap::new()) };
        let articles = items.iter().filter_map(|(key, _)| {
            let article = key.strip_prefix("cart:")?;
            Some(items.get(key).map(|pieces| (article.to_owned(), pieces.unwrap_or_default())))
        });
        articles.collect()
    }
}

/// Makes the cart an argument of handlers, as the session itself is.
impl FromRequest for Cart {
    type Error = NoMiddleware;
    type Future = Ready<Result<Self, NoMiddleware>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Session::from_request(request, payload).into_inner().map(Cart))
    }
}

async fn put(cart: Cart, path: web::Path<(String, u32)>) -> Result<String> {
    let (article, pieces) = path.into_inner();
    cart.put(&article, pieces).await?;
    Ok(format!("{pieces} x {article}\n"))
}

async fn add(cart: Cart, article: web::Path<String>) -> Result<String> {
    let pieces = cart.add(&article).await?;
    Ok(format!("{pieces} x {article}\n"))
}

async fn show(cart: Cart) -> Result<web::Json<BTreeMap<String, u32>>> {
    Ok(web::Json(cart.articles().await?))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    let manager = Manager::builder(MemoryStorage::new()).build()?;
    let sessions = SessionMiddleware::builder(manager).build()?;
    let app = move || {
        App::new()
            .route("/cart", web::get().to(show))
            .route("/cart/{article}", web::post().to(add))
            .route("/cart/{article}/{pieces}", web::post().to(put))
            .wrap(sessions.clone())
    };
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}
