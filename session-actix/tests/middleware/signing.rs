//! Signed ids.

use std::{sync::Arc, time::Duration};

use actix_web::{App, http::StatusCode, test::init_service, web};
use session_actix::{Session, SessionId, SessionMiddleware};
use session_core::{Manager, MemoryStorage};

use crate::{
    app, call, call_with, cookie, cookies, manager, plain, probe::Probe, routes, sessions, text,
};

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

fn signed(manager: &Manager, name: &str, keys: &[[u8; 32]]) -> SessionMiddleware {
    let builder = SessionMiddleware::builder(manager.clone()).cookie(plain(name));
    builder.signing_keys(keys.iter().copied()).build().unwrap()
}

/// Returns a manager of another node, which has not sent any cookie in this interval.
fn node(probe: &Arc<Probe>) -> Manager {
    Manager::builder(probe.clone()).ttl(Duration::from_secs(60)).build().unwrap()
}

#[actix_web::test]
async fn a_client_is_sent_its_id_with_a_signature_and_the_app_sees_the_id_alone() {
    let (manager, _) = manager();
    let id = async |session: Session| {
        let id = session.id().await?.expect("there is a session");
        Ok::<_, session_actix::Error>(id.as_str().to_owned())
    };
    let sessions = signed(&manager, "sid", &[NEW]);
    let app = App::new().configure(routes).route("/id", web::to(id)).wrap(sessions.clone());
    let app = init_service(app).await;
    let sid = cookie(&call(&app, "/set", None).await);
    let (id, signature) = sid.strip_prefix("sid=").unwrap().split_once('.').unwrap();
    assert_eq!((id.len(), signature.len()), (32, 32));
    assert_eq!(text(call(&app, "/id", Some(&sid)).await).await, id);
    assert_eq!(text(call(&app, "/get", Some(&sid)).await).await, "Some(1)");
    let id = SessionId::parse(id).unwrap();
    assert!(
        manager.storage().get_session(&id).await.unwrap().is_some(),
        "the store knows the id alone"
    );
    assert_eq!(format!("sid={}", sessions.token(&id)), sid);

    let renewed = cookie(&call(&app, "/renew", Some(&sid)).await);
    assert!(renewed != sid && renewed.contains('.'), "{renewed}");
    assert_eq!(cookie(&call(&app, "/del", Some(&renewed)).await), "sid=");
}

#[actix_web::test]
async fn g3_an_id_without_a_valid_signature_asks_the_store_nothing() {
    let (manager, probe) = manager();
    let app = app!(signed(&manager, "sid", &[NEW]));
    let sid = cookie(&call(&app, "/set", None).await);
    let (plain, signature) = sid.split_once('.').unwrap();
    let of_another_name = app!(signed(&manager, "other", &[NEW]));
    let of_another_name = cookie(&call(&of_another_name, "/set", None).await);
    let of_another_name = of_another_name.replace("other=", "sid=");
    let of_another_key = app!(signed(&manager, "sid", &[OLD]));
    let of_another_key = cookie(&call(&of_another_key, "/set", None).await);
    probe.asked();
    for bad in [
        plain,
        &format!("{plain}."),
        &format!("sid=invented.{signature}"),
        &format!("{sid}.{signature}"),
        &of_another_name,
        &of_another_key,
    ] {
        let response = call(&app, "/get", Some(bad)).await;
        assert_eq!(text(response).await, "None", "{bad}");
        assert_eq!(probe.asked(), [""; 0], "{bad}");
    }

    // Nor do they displace the valid one.
    let many = format!("{}{sid}", "sid=invented; ".repeat(10));
    assert_eq!(text(call(&app, "/get", Some(&many)).await).await, "Some(1)");
}

#[actix_web::test]
async fn a_rotation_of_keys_logs_nobody_out() {
    let (manager, probe) = manager();
    let before = cookie(&call(&app!(signed(&manager, "sid", &[OLD])), "/set", None).await);
    let both = app!(signed(&node(&probe), "sid", &[NEW, OLD]));
    let response = call(&both, "/get", Some(&before)).await;
    let after = cookie(&response);
    assert_ne!(before, after, "signed by the new key, although this cookie has no age");
    assert_eq!(before.split('.').next(), after.split('.').next(), "the same id");
    assert!(!cookies(&response)[0].contains("Max-Age"));
    assert_eq!(text(response).await, "Some(1)");
    assert_eq!(cookies(&call(&both, "/get", Some(&before)).await), [""; 0], "in this interval");

    let new = app!(signed(&node(&probe), "sid", &[NEW]));
    assert_eq!(text(call(&new, "/get", Some(&after)).await).await, "Some(1)");
    assert_eq!(text(call(&new, "/get", Some(&before)).await).await, "None");
    let other_node = app!(signed(&node(&probe), "sid", &[NEW, OLD]));
    assert_eq!(cookies(&call(&other_node, "/get", Some(&after)).await), [""; 0], "up to date");
}

#[actix_web::test]
async fn a_client_of_the_header_is_told_the_new_signature() {
    let (_, probe) = manager();
    let build = |keys: &[[u8; 32]]| {
        let builder = SessionMiddleware::builder(node(&probe)).header_only("x-sid");
        builder.signing_keys(keys.iter().copied()).build().unwrap()
    };
    let set = call(&app!(build(&[OLD])), "/set", None).await;
    let before = set.headers().get("x-sid").unwrap().to_str().unwrap();
    let both = app!(build(&[NEW, OLD]));
    let response = call_with(&both, "/get", &[("x-sid", before)]).await;
    let after = response.headers().get("x-sid").unwrap().to_str().unwrap().to_owned();
    assert_eq!(text(response).await, "Some(1)");
    let new = app!(build(&[NEW]));
    let response = call_with(&new, "/get", &[("x-sid", &after)]).await;
    assert!(!response.headers().contains_key("x-sid"));
    assert_eq!(text(response).await, "Some(1)");
    assert_eq!(text(call_with(&new, "/get", &[("x-sid", before)]).await).await, "None");
}

#[actix_web::test]
async fn signing_can_be_turned_on_without_logging_anybody_out() {
    let (manager, probe) = manager();
    let unsigned = cookie(&call(&app!(sessions(&manager)), "/set", None).await);
    let builder = SessionMiddleware::builder(node(&probe)).cookie(plain("sid"));
    let transition = builder.signing_keys([NEW]).accept_unsigned(true).build().unwrap();
    let transition = app!(transition);
    let response = call(&transition, "/get", Some(&unsigned)).await;
    let after = cookie(&response);
    assert!(after.starts_with(&format!("{unsigned}.")));
    assert_eq!(text(response).await, "Some(1)");
    let forged = after.replace("sid=", "sid=x");
    assert_eq!(text(call(&transition, "/get", Some(&forged)).await).await, "None");

    let strict = app!(signed(&node(&probe), "sid", &[NEW]));
    assert_eq!(text(call(&strict, "/get", Some(&after)).await).await, "Some(1)");
    assert_eq!(text(call(&strict, "/get", Some(&unsigned)).await).await, "None");
}

/// A cookie of an id that another request has renewed or ended would log the browser out.
#[actix_web::test]
async fn g14_no_new_signature_is_sent_for_an_id_that_was_renewed_or_ended_meanwhile() {
    for (act, expected) in [("renew", 0), ("end", 0), ("nothing", 1)] {
        let (manager, probe) = manager();
        let before = cookie(&call(&app!(signed(&manager, "sid", &[OLD])), "/set", None).await);
        let slow = move |session: Session| {
            let manager = manager.clone();
            async move {
                let other = manager.open(session.id().await?);
                match act {
                    "renew" => drop(other.regenerate_id().await?),
                    "end" => other.remove_all().await?,
                    _ => {}
                }
                Ok::<_, session_actix::Error>("slow")
            }
        };
        let sessions = signed(&node(&probe), "sid", &[NEW, OLD]);
        let app = init_service(App::new().route("/slow", web::to(slow)).wrap(sessions)).await;
        let response = call(&app, "/slow", Some(&before)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(cookies(&response).len(), expected, "{act}");
    }
}

#[actix_web::test]
async fn keys_that_cannot_protect_ids_are_refused_and_no_key_is_shown() {
    let builder =
        || SessionMiddleware::builder(Manager::builder(MemoryStorage::new()).build().unwrap());
    let refused = |build: session_actix::Result<SessionMiddleware>, words: &str| {
        let problem = build.expect_err("refused").to_string();
        assert!(problem.contains(words), "{words:?} is not in {problem:?}");
    };
    refused(builder().signing_keys([""; 0]).build(), "signing_keys: allowed is one key or more");
    refused(builder().signing_keys([&NEW[..31]]).build(), "key 1 has 31 bytes");
    refused(builder().signing_keys([NEW, OLD, NEW]).build(), "keys 1 and 3 are the same");
    refused(builder().accept_unsigned(true).build(), "accept_unsigned");

    let builder = builder().signing_keys(["a key that is nobody's business!"]);
    let shown = format!("{builder:?}") + &format!("{:?}", builder.build().unwrap());
    // As text, and as the numbers of `[u8]`.
    assert!(!shown.contains("nobody") && !shown.contains("32, 107, 101"), "{shown}");
}
