//! The pages in a server of the service's own: handed over, answered elsewhere, and to nobody without the token.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use super::{Fake, Limits, desk};
use crate::serve::{Pages, mount, run_mounted};
use crate::source::Source as _;

const TOKEN: &str = "a token of some length";

/// The agent's side, on a thread of its own; ends with the sender.
fn agent(token: Option<&str>) -> (Pages, Arc<Fake>, oneshot::Sender<()>, JoinHandle<()>) {
    let (pages, mount) = mount();
    let profile = Arc::new(Fake { name: "profile", windowed: true, ..Fake::default() });
    let heap = Arc::new(Fake { name: "heap", ..Fake::default() });
    let desk = Arc::new(desk(&[profile.clone(), heap]));
    let (stop, stopped) = oneshot::channel::<()>();
    let token = token.map(str::to_owned);
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(run_mounted(mount, desk, token, Limits::default(), async { drop(stopped.await) }));
    });
    (pages, profile, stop, thread)
}

fn request(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Body::empty()).expect("a request")
}

async fn status(pages: &Pages, path: &str, headers: &[(&str, &str)]) -> u16 {
    pages.clone().oneshot(request(path, headers)).await.expect("infallible").status().as_u16()
}

#[tokio::test]
async fn who_knows_the_token_sees_the_pages_and_nobody_else() {
    let bearer = format!("Bearer {TOKEN}");
    let known = ("authorization", bearer.as_str());
    let (pages, _, stop, thread) = agent(Some(TOKEN));
    let any_name = ("host", "shop.example");
    for path in ["/debug/", "/debug/pprof/heap", "/metrics", "/debug/snapshots/a1"] {
        assert_eq!(status(&pages, path, &[any_name]).await, 401, "{path}");
        assert_eq!(status(&pages, path, &[any_name, known]).await, 200, "{path}");
        let foreign = ("origin", "http://evil.example");
        assert_eq!(status(&pages, path, &[any_name, known, foreign]).await, 403, "{path}");
        // As HTTP/2 has it.
        let whole = format!("https://shop.example{path}");
        let own = ("origin", "https://shop.example");
        assert_eq!(status(&pages, &whole, &[known, own]).await, 200, "{path}");
    }
    let response =
        pages.clone().oneshot(request("/debug/pprof/heap", &[any_name, known])).await.expect("one");
    let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    assert!(crate::render::pprof::decode(&bytes).is_ok_and(|profile| !profile.is_empty()));
    // As a service mounts it: that router takes a parameter from the path, which is not ours.
    let outer: axum::Router = axum::Router::new().route_service("/debug/{*page}", pages.clone());
    let inside = outer.oneshot(request("/debug/snapshots/a1", &[any_name, known])).await.expect("infallible");
    assert_eq!(inside.status().as_u16(), 200);
    drop(stop);
    thread.join().expect("it ends well");
    assert_eq!(status(&pages, "/debug/", &[any_name, known]).await, 503, "nobody is left to answer");
}

#[tokio::test]
async fn without_a_token_nothing_is_shown_not_even_on_loopback() {
    let (pages, _, _stop, _) = agent(None);
    assert_eq!(status(&pages, "/debug/", &[("host", "127.0.0.1:8080")]).await, 403);
}

#[tokio::test]
async fn who_leaves_ends_what_was_asked_for() {
    let (pages, profile, _stop, _) = agent(Some(TOKEN));
    assert!(profile.windowed());
    let bearer = format!("Bearer {TOKEN}");
    let asked = pages.clone().oneshot(request(
        "/debug/pprof/profile?seconds=60",
        &[("host", "shop.example"), ("authorization", &bearer)],
    ));
    let left = tokio::time::timeout(Duration::from_millis(300), asked).await;
    assert!(left.is_err(), "it takes a minute");
    let gone = async {
        while profile.left.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), gone).await.expect("the window ends");
}
